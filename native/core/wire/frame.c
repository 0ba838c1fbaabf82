#include "wire/frame.h"

#include <libwebsockets.h>
#include <string.h>

#include "context/context.h"
#include "websocket/connection.h"
#include "wire/mask.h"

static void draw_mask(lwsn_context *context, uint8_t mask[4]) {
  lwsn_mask_source *source = &context->masks;
  if (source->left < 4) {
    lws_get_random(context->lws, source->bytes, sizeof source->bytes);
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

uint8_t *lwsn_frame_header(const lwsn_connection *c, uint8_t *end, size_t size, unsigned first, uint8_t mask[4]) {
  if (!c->client) return lwsn_frame_plain_header(end, size, first);
  draw_mask(c->transport->context, mask);
  memcpy(end - 4, mask, 4);
  uint8_t *at = lwsn_frame_plain_header(end - 4, size, first);
  at[1] |= 0x80;
  return at;
}

uint8_t *lwsn_frame_seal(const lwsn_connection *c, uint8_t *payload, size_t size, unsigned first) {
  uint8_t mask[4];
  uint8_t *start = lwsn_frame_header(c, payload, size, first, mask);
  if (c->client) lwsn_unmask(payload, payload, size, mask, 0);
  return start;
}
