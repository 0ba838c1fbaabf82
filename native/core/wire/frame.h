#ifndef LWSN_FRAME_H
#define LWSN_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/** Random bytes for masks, drawn a page at a time (RFC 6455 10.3: unpredictable). */
typedef struct lwsn_mask_source {
  void (*draw)(void *from, void *bytes, size_t size); /* fills them with random bytes; cannot fail */
  void *from;
  uint8_t bytes[4096];
  uint32_t left;
} lwsn_mask_source;

/** The header of a final unmasked frame, to end at `end`. Returns its first byte. */
uint8_t *lwsn_frame_plain_header(uint8_t *end, size_t size, unsigned first);

/** As lwsn_frame_seal of a client. */
uint8_t *lwsn_frame_seal_masked(lwsn_mask_source *masks, uint8_t *payload, size_t size, unsigned first);

/**
 * Makes a final frame of `size` payload bytes in place: the header is written to
 * the LWSN_FRAME_HEADER_MAX bytes before `payload`, and the payload is masked
 * when `masks` is given, as a client has to. `first` is an opcode, perhaps with
 * LWSN_FRAME_COMPRESSED. Returns the first byte of the frame.
 */
static inline uint8_t *lwsn_frame_seal(lwsn_mask_source *masks, uint8_t *payload, size_t size, unsigned first) {
  return masks ? lwsn_frame_seal_masked(masks, payload, size, first) : lwsn_frame_plain_header(payload, size, first);
}

#endif
