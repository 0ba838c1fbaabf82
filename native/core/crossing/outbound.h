#ifndef LWSN_OUTBOUND_H
#define LWSN_OUTBOUND_H

#include <stdint.h>

/**
 * The outbound side of the crossing: the format of the records that the other side appends to the out-ring.
 */

/** What a record asks for. The numbers are part of the surface to lib/crossing/native.ts. */
typedef enum lwsn_out_kind {
  LWSN_OUT_DATA = 1,  /* a message; detail: opcode, perhaps with LWSN_OUT_PLAIN */
  LWSN_OUT_RAW = 2,   /* bytes of an HTTP message; detail 1: of an interim response */
  LWSN_OUT_PING = 3,  /* payload: application data, at most 125 bytes */
  LWSN_OUT_CLOSE = 4, /* payload: code (2 bytes, network order) and reason, or nothing */
  LWSN_OUT_TERMINATE = 5,
  LWSN_OUT_PAUSE = 6,
  LWSN_OUT_RESUME = 7,
  LWSN_OUT_WANT_WRITABLE = 8,
  LWSN_OUT_ACCEPT = 9,        /* payload: further header lines of the 101; detail: lwsn_connection_flag. A client
                                accepts the 101 it was told, without payload */
  LWSN_OUT_RESPONSE_END = 10, /* detail 1: keep the transport for another request */
  LWSN_OUT_UNTIL_END = 12,    /* the body of the response ends with the connection */
  LWSN_OUT_ANSWER = 13,       /* answers CLOSING of the peer: nothing is sent any more (websocket/connection.h) */
  LWSN_OUT_SHORT = 11 /* messages of at most LWSN_SHORT_MAX bytes behind each other, each with the header a server
                         gives it */
} lwsn_out_kind;

enum {
  LWSN_OUT_PLAIN = 0x10, /* beside an opcode: do not compress this message */
  LWSN_OUT_SIZE = 512 * 1024,
  LWSN_OUT_START = 64,      /* first record; word 0: the write offset, kept by the writer; word 1: records before
                               this offset are sorted, and change no more */
  LWSN_OUT_HEADER = 32,     /* record header: 4 words, then 16 bytes of room for a frame header */
  LWSN_OUT_COPY_MAX = 4096, /* larger payloads do not go through the ring */
};

/** The words before the first record. */
enum { LWSN_OUT_WRITE_OFFSET, LWSN_OUT_SORTED };

typedef struct lwsn_out_record {
  uint32_t kind; /* lwsn_out_kind, and above its 8 bits the detail */
  uint32_t slot;
  uint32_t link; /* the generation; natively then the transport's next record (net/chain.h) */
  uint32_t length;
  uint8_t headroom[LWSN_OUT_HEADER - 16]; /* for a frame header */
  uint8_t payload[];
} lwsn_out_record;

enum { LWSN_OPCODE_RAW = 0x100 }; /* beside the opcodes of a send past the ring: raw bytes of a response */

#endif
