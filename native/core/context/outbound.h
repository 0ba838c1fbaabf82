#ifndef LWSN_OUTBOUND_H
#define LWSN_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/handle.h"
#include "base/region.h"

struct lwsn_context;
struct lwsn_transport;

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
  LWSN_OUT_ANSWER = 13,       /* answers CLOSING of the peer: nothing is sent any more (lwsn_connection_answer) */
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

/**
 * The outbound side of the crossing: records that the other side appends and one
 * flush consumes. All records of one transport leave in one write where the
 * socket takes them.
 */
typedef struct lwsn_outbound {
  lwsn_region *ring;
  lwsn_handle *dirty; /* transports with something in this flush */
  uint32_t dirty_count, dirty_capacity;
  uint8_t *staging;
  bool flushing;
} lwsn_outbound;

bool lwsn_outbound_init(lwsn_outbound *out);
void lwsn_outbound_free(lwsn_outbound *out);

/**
 * Threads the records so far into the chains of their transports: what is linked
 * now comes behind them. Connections that these close or terminate leave their topics.
 */
void lwsn_outbound_sort(struct lwsn_context *context);

/** Room for so many further transports in this flush. False: no memory. */
bool lwsn_outbound_reserve(struct lwsn_context *context, uint32_t transports);

/** Appends a delivery to what its transport sends in this flush, for which there is room. */
void lwsn_outbound_link_delivery(struct lwsn_transport *t, uint32_t delivery);

/** Consumes all records, then reaps. Order per transport is exact. */
void lwsn_outbound_flush(struct lwsn_context *context);

/**
 * Sends one payload past the ring, behind everything in it: a message with
 * `detail` as in DATA, or raw bytes of a response with LWSN_OPCODE_RAW. The bytes are read
 * during the call only. Returns how many bytes wait natively, or -1 when the
 * handle is dead or may not send any more.
 */
double lwsn_outbound_send(struct lwsn_context *context, lwsn_handle handle, unsigned detail, const uint8_t *data,
                          size_t size);

enum { LWSN_OPCODE_RAW = 0x100 };

#endif
