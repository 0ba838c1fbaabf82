#ifndef LWSN_INCOMING_H
#define LWSN_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slab.h"
#include "crossing/inbound.h"
#include "wire/utf8.h"

/**
 * How far one connection's input was read (RFC 6455 section 5): the frame and
 * the message it is in.
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

/** Frees what there is of the message in progress. */
void lwsn_incoming_clear_message(lwsn_receive *rx, lwsn_inbound *in);

/** Frees everything. */
void lwsn_incoming_clear(lwsn_receive *rx, lwsn_inbound *in);

#endif
