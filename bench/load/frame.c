#include "frame.h"

#include <string.h>

static size_t head_size(const struct frame_head *head) {
  if (head->have < 2) return 2;
  uint8_t length = head->bytes[1] & 0x7f;
  return 2u + (length == 126 ? 2 : length == 127 ? 8 : 0) + (head->bytes[1] & 0x80 ? 4 : 0);
}

static void decode(struct frame_head *head) {
  const uint8_t *p = head->bytes;
  head->final = p[0] & 0x80;
  head->reserved = p[0] >> 4 & 7;
  head->opcode = p[0] & 0x0f;
  head->masked = p[1] & 0x80;
  uint64_t length = p[1] & 0x7f;
  size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  p += 2;
  if (extra) length = 0;
  while (extra--) length = length << 8 | *p++;
  head->length = length;
  if (head->masked) memcpy(head->key, p, 4);
}

bool frame_take_head(struct frame_head *head, const uint8_t *bytes, size_t length, size_t *taken) {
  size_t used = 0;
  while (head->have < head_size(head)) {
    if (used == length) {
      *taken = used;
      return false;
    }
    head->bytes[head->have++] = bytes[used++];
  }
  *taken = used;
  decode(head);
  return true;
}

size_t frame_put_head(uint8_t *to, uint8_t opcode, uint64_t length, bool masked) {
  uint8_t mask = masked ? 0x80 : 0;
  to[0] = 0x80 | opcode;
  if (length < 126) {
    to[1] = mask | (uint8_t)length;
    return 2;
  }
  size_t extra = length < 65536 ? 2 : 8;
  to[1] = mask | (extra == 2 ? 126 : 127);
  for (size_t i = 0; i < extra; i++) to[2 + i] = (uint8_t)(length >> 8 * (extra - 1 - i));
  return 2 + extra;
}
