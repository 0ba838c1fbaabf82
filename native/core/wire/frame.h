#ifndef LWSN_FRAME_H
#define LWSN_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lwsn_connection;
struct lwsn_context;

enum {
  LWSN_OP_CONTINUATION = 0x0,
  LWSN_OP_TEXT = 0x1,
  LWSN_OP_BINARY = 0x2,
  LWSN_OP_CLOSE = 0x8,
  LWSN_OP_PING = 0x9,
  LWSN_OP_PONG = 0xa,
  LWSN_FRAME_COMPRESSED = 0x40, /* RSV1, beside an opcode (RFC 7692 6) */
  LWSN_CONTROL_MAX = 125,       /* RFC 6455 5.5 */
  LWSN_SHORT_MAX = 125,         /* RFC 6455 5.2: up to here the length is one byte */
  LWSN_FRAME_HEADER_MAX = 14,   /* RFC 6455 5.2: 64-bit length and a mask */
};

/** Random bytes for masks, drawn from the kernel a page at a time (RFC 6455 10.3: unpredictable). */
typedef struct lwsn_mask_source {
  uint8_t bytes[4096];
  uint32_t left;
} lwsn_mask_source;

/**
 * Makes a final frame of `size` payload bytes in place: the header is written to
 * the LWSN_FRAME_HEADER_MAX bytes before `payload`, and the payload is masked
 * when we are the client. `first` is an opcode, perhaps with
 * LWSN_FRAME_COMPRESSED. Returns the first byte of the frame.
 */
uint8_t *lwsn_frame_seal(const struct lwsn_connection *connection, uint8_t *payload, size_t size, unsigned first);

/** The header of a final unmasked frame, to end at `end`. Returns its first byte. */
uint8_t *lwsn_frame_plain_header(uint8_t *end, size_t size, unsigned first);

/** Only the header, to end at `end`; `mask` is filled when we are the client. Returns its first byte. */
uint8_t *lwsn_frame_header(const struct lwsn_connection *connection, uint8_t *end, size_t size, unsigned first,
                           uint8_t mask[4]);

#endif
