#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t wire_random(void) {
  static uint32_t state = 0x9e3779b9;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

void wire_fill(uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++) data[i] = (uint8_t)(wire_random() >> 8);
}

/* -1: no such field. */
static long content_length(const char *head, size_t size) {
  static const char name[] = "\r\nContent-Length: ";
  const char *at = memmem(head, size, name, sizeof name - 1);
  return at ? strtol(at + sizeof name - 1, NULL, 10) : -1;
}

bool wire_response(peer *p, response *r) {
  const char *in = (const char *)peer_bytes(p);
  size_t n = peer_waiting(p);
  const char *end = n > 0 ? memmem(in, n, "\r\n\r\n", 4) : NULL;
  if (!end) return false;
  size_t head = (size_t)(end - in) + 4;
  if (head < 13 || memcmp(in, "HTTP/1.1 ", 9) != 0) {
    world_violate(p->world, "a response begins with \"%.20s\"", in);
    return false;
  }
  int status = (int)strtol(in + 9, NULL, 10);
  long length = status / 100 == 1 ? 0 : content_length(in, head);
  if (length < 0) {
    world_violate(p->world, "a response has no Content-Length");
    return false;
  }
  if (n - head < (size_t)length) return false;
  *r = (response){status, in, head, in + head, (size_t)length};
  peer_take(p, head + (size_t)length);
  return true;
}

bool wire_has(const response *r, const char *line) {
  char whole[128];
  int n = snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
  return memmem(r->head, r->head_size, whole, (size_t)n) != NULL;
}

static uint64_t big_endian(const uint8_t *data, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | data[i];
  return value;
}

bool wire_next(peer *p, frame *f) {
  size_t n = peer_waiting(p);
  if (n < 2) return false;
  const uint8_t *in = peer_bytes(p);
  unsigned length = in[1] & 0x7f;
  size_t header = length < 126 ? 2 : length == 126 ? 4 : 10;
  if (n < header) return false;
  uint64_t size = header == 2 ? length : big_endian(in + 2, header - 2);
  if (in[1] & 0x80) world_violate(p->world, "the server masked a frame");
  if ((header == 4 && size < 126) || (header == 10 && size <= 65535))
    world_violate(p->world, "the server encoded a length of %llu in %zu bytes", (unsigned long long)size, header);
  if (n - header < size) return false;
  *f = (frame){in[0], in + header, (size_t)size};
  peer_take(p, header + (size_t)size);
  return true;
}

unsigned wire_code(const frame *f) { return f->size >= 2 ? (unsigned)big_endian(f->data, 2) : 0; }

size_t wire_frame(uint8_t *to, unsigned first, const void *data, size_t size) {
  size_t at = 0;
  to[at++] = (uint8_t)first;
  int more = size < 126 ? 0 : size <= 65535 ? 2 : 8;
  to[at++] = (uint8_t)(0x80 | (more == 0 ? size : more == 2 ? 126 : 127));
  for (int i = more - 1; i >= 0; i--) to[at++] = (uint8_t)((uint64_t)size >> (8 * i));
  uint32_t key = wire_random();
  uint8_t *mask = memcpy(to + at, &key, 4);
  at += 4;
  for (size_t i = 0; i < size; i++) to[at++] = ((const uint8_t *)data)[i] ^ mask[i & 3];
  return at;
}

void wire_send(peer *p, unsigned first, const void *data, size_t size) {
  uint8_t *bytes = malloc(WIRE_HEADER_MAX + size);
  if (!bytes) world_fatal("no memory for a frame");
  peer_send(p, bytes, wire_frame(bytes, first, data, size));
  free(bytes);
}

void wire_text(peer *p, const char *text) { wire_send(p, WIRE_TEXT, text, strlen(text)); }

void wire_close(peer *p, unsigned code, const char *reason) {
  uint8_t payload[125] = {(uint8_t)(code >> 8), (uint8_t)code};
  size_t length = reason ? strlen(reason) : 0;
  if (length > 0) memcpy(payload + 2, reason, length);
  wire_send(p, WIRE_CLOSE, payload, code ? 2 + length : 0);
}

void wire_upgrade(peer *p, lwsn_handle *handle) {
  world *w = p->world;
  unsigned long opened = world_told(w, LWSN_RECORD_OPEN);
  response r;
  bool answered = false;
  peer_say(p, WIRE_UPGRADE);
  world_wait(w);
  while (!(answered = answered || wire_response(p, &r)) || world_told(w, LWSN_RECORD_OPEN) == opened)
    if (!world_step(w)) world_fatal("an upgrade was not answered");
  if (r.status != 101) world_fatal("an upgrade was answered with %d", r.status);
  if (handle) *handle = world_last(w, LWSN_RECORD_OPEN)->handle;
}

peer *wire_open(world *w, lwsn_handle *handle) {
  peer *p = peer_open(w);
  wire_upgrade(p, handle);
  return p;
}
