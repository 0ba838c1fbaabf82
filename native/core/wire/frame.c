#include "wire/frame.h"

#include <string.h>

#include "wire/mask.h"

static void draw_mask(lwsn_mask_source *source, uint8_t mask[4]) {
  if (source->left < 4) {
    source->draw(source->from, source->bytes, sizeof source->bytes);
    source->left = sizeof source->bytes;
  }
  source->left -= 4;
  memcpy(mask, source->bytes + source->left, 4);
}

uint8_t *lwsn_frame_plain_header(uint8_t *end, size_t size, unsigned first) {
  uint8_t *at = end;
  if (size < 126) {
    at -= 2;
    at[1] = (uint8_t)size;
  } else if (size <= UINT16_MAX) {
    at -= 4;
    at[1] = 126;
    at[2] = (uint8_t)(size >> 8);
    at[3] = (uint8_t)size;
  } else {
    at -= 10;
    at[1] = 127;
    for (int i = 0; i < 8; i++) at[2 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
  }
  at[0] = (uint8_t)(0x80 | first);
  return at;
}

uint8_t *lwsn_frame_seal_masked(lwsn_mask_source *masks, uint8_t *payload, size_t size, unsigned first) {
  uint8_t mask[4];
  draw_mask(masks, mask);
  memcpy(payload - 4, mask, 4);
  uint8_t *start = lwsn_frame_plain_header(payload - 4, size, first);
  start[1] |= 0x80;
  lwsn_unmask(payload, payload, size, mask, 0);
  return start;
}
