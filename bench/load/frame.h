#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_MAX 14
#define FRAME_COMPRESSED 0x40 /* beside an opcode: RSV1 (RFC 7692 6) */

enum frame_opcode {
  FRAME_CONTINUATION = 0,
  FRAME_TEXT = 1,
  FRAME_BINARY = 2,
  FRAME_CLOSE = 8,
  FRAME_PING = 9,
  FRAME_PONG = 10
};

struct frame_head {
  uint8_t bytes[FRAME_HEAD_MAX];
  uint8_t have;
  bool final, masked;
  uint8_t reserved, opcode;
  uint64_t length;
  uint8_t key[4];
};

/* Takes bytes until the head is complete; `taken` says how many. True: complete, and the fields are set. The next
 * head begins with `have` set to 0. */
bool frame_take_head(struct frame_head *head, const uint8_t *bytes, size_t length, size_t *taken);

/* Writes the head of an unfragmented frame without a mask key; returns its length. */
size_t frame_put_head(uint8_t *to, uint8_t opcode, uint64_t length, bool masked);

#endif
