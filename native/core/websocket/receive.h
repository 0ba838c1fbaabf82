#ifndef LWSN_RECEIVE_H
#define LWSN_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slab.h"
#include "wire/utf8.h"

struct lwsn_connection;

/**
 * The parser of one connection's input (RFC 6455 section 5): it consumes every
 * byte it is given, whatever the pieces, and keeps only the message it is in.
 */
typedef struct lwsn_receive {
  uint8_t header[14];
  uint8_t header_size; /* bytes of the header read so far */
  uint8_t opcode;      /* of the current frame */
  uint8_t message;     /* opcode of the message in progress, 0: none */
  bool fin;
  bool in_payload;
  bool compressed; /* the message is (RFC 7692) */
  bool told_first; /* streaming: the first fragment was delivered */
  uint8_t mask[4];
  uint64_t phase; /* payload bytes of the frame read so far, for the mask */
  uint64_t frame_left;
  lwsn_utf8 utf8;
  uint8_t *message_data; /* assembled so far; malloc'ed, unless it lies in message_slab */
  size_t message_size, message_capacity;
  lwsn_slab *message_slab; /* where a large message whose size is known is read to */
  uint64_t streamed;       /* bytes of the message delivered in pieces */
  uint8_t *control;        /* payload of a control frame that came in pieces; malloc'ed */
  uint8_t control_size;
  uint8_t large_opcode;
  uint32_t large; /* size of the last message, if it was large and came in one frame: the next read makes room for it */
} lwsn_receive;

/** RECEIVE: reads once and parses. */
void lwsn_receive_read(struct lwsn_connection *connection);

/** Parses input; what cannot be taken now is kept. */
void lwsn_receive_input(struct lwsn_connection *connection, const uint8_t *data, size_t size);

/** Whether the parser would take input now. */
bool lwsn_receive_may_go_on(const struct lwsn_connection *connection);

/** The peer's FIN was noticed while input is held: where nothing lies before it, that is the end of input. */
void lwsn_receive_peer_left(struct lwsn_connection *connection);

/**
 * Where a connection of large messages wants what it reads next, so that they are shown without a copy: `room` bytes, which
 * are filled in pieces of at most `piece`. Ends with lwsn_inbound_landed. NULL: anywhere else.
 */
uint8_t *lwsn_receive_land(const struct lwsn_connection *connection, size_t piece, size_t *room);

/** Frees what the parser holds. */
void lwsn_receive_clear(struct lwsn_connection *connection);

#endif
