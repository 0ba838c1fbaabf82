#include "out.h"

#include <stdio.h>
#include <string.h>

#include "context/flush.h"
#include "crossing/outbound.h"
#include "life.h"
#include "net/transport.h"
#include "topics/publish.h"
#include "topics/topics.h"
#include "wire/frame.h"

static uint8_t *reserve(world *w, lwsn_handle handle, uint32_t kind, size_t size) {
  uint8_t *base = w->context->chain.ring->data;
  uint32_t *offset = (uint32_t *)base;
  uint32_t needed = (uint32_t)(LWSN_OUT_HEADER + size + 7) & ~7u;
  w->short_at = 0;
  if (*offset + needed > LWSN_OUT_SIZE) lwsn_outbound_flush(w->context);
  uint32_t *record = (uint32_t *)(base + *offset);
  record[0] = kind;
  record[1] = handle.slot;
  record[2] = handle.generation;
  record[3] = (uint32_t)size;
  *offset += needed;
  return (uint8_t *)record + LWSN_OUT_HEADER;
}

static void put(world *w, lwsn_handle handle, uint32_t kind, const void *data, size_t size) {
  uint8_t *at = reserve(w, handle, kind, size);
  if (size > 0) memcpy(at, data, size);
}

static void hand(world *w, lwsn_handle handle, size_t size) {
  lwsn_registry *r = &w->context->services.registry;
  if (handle.slot < r->capacity) *lwsn_registry_handed(r, handle.slot) += (double)size;
}

/* Behind the last record, where that holds short messages to the same connection and is not sorted yet. */
static void put_short(world *w, lwsn_handle handle, unsigned opcode, const void *data, size_t size) {
  uint8_t *base = w->context->chain.ring->data;
  uint32_t *words = (uint32_t *)base, begin = w->short_at, *record = (uint32_t *)(base + begin);
  bool last = begin && words[0] == ((begin + LWSN_OUT_HEADER + record[3] + 7) & ~7u) && words[1] <= begin &&
              record[0] == LWSN_OUT_SHORT && record[1] == handle.slot && record[2] == handle.generation &&
              words[0] + 2 + size + 8 <= LWSN_OUT_SIZE;
  if (!last) {
    record = (uint32_t *)(reserve(w, handle, LWSN_OUT_SHORT, 2 + size) - LWSN_OUT_HEADER);
    w->short_at = (uint32_t)((uint8_t *)record - base);
    record[3] = 0;
  }
  uint8_t *at = (uint8_t *)record + LWSN_OUT_HEADER + record[3];
  at[0] = (uint8_t)(0x80 | opcode);
  at[1] = (uint8_t)size;
  if (size > 0) memcpy(at + 2, data, size);
  record[3] += (uint32_t)(2 + size);
  words[0] = (uint32_t)(w->short_at + LWSN_OUT_HEADER + record[3] + 7) & ~7u;
}

void out_tell(world *w, lwsn_handle handle, lwsn_out_kind kind) { reserve(w, handle, kind, 0); }

void out_message(world *w, lwsn_handle handle, unsigned opcode, const void *data, size_t size) {
  if (size > LWSN_OUT_COPY_MAX) {
    lwsn_outbound_send(w->context, handle, opcode, data, size);
    return;
  }
  if (size <= LWSN_SHORT_MAX && opcode <= 0xf)
    put_short(w, handle, opcode, data, size);
  else
    put(w, handle, LWSN_OUT_DATA | opcode << 8, data, size);
  hand(w, handle, size);
}

void out_close(world *w, lwsn_handle handle, unsigned code, const char *reason) {
  size_t length = reason ? strlen(reason) : 0;
  uint8_t *at = reserve(w, handle, LWSN_OUT_CLOSE, code ? 2 + length : 0);
  if (!code) return;
  at[0] = (uint8_t)(code >> 8);
  at[1] = (uint8_t)code;
  if (length > 0) memcpy(at + 2, reason, length);
}

void out_ping(world *w, lwsn_handle handle, const void *data, size_t size) {
  put(w, handle, LWSN_OUT_PING, data, size);
  hand(w, handle, size);
}

void out_accept(world *w, lwsn_handle handle, const char *headers, unsigned flags) {
  put(w, handle, LWSN_OUT_ACCEPT | flags << 8, headers, headers ? strlen(headers) : 0);
}

void out_raw(world *w, lwsn_handle handle, const char *text) { put(w, handle, LWSN_OUT_RAW, text, strlen(text)); }

void out_end(world *w, lwsn_handle handle, bool keep_alive) {
  reserve(w, handle, LWSN_OUT_RESPONSE_END | (uint32_t)keep_alive << 8, 0);
  life_answered(w, handle);
}

void out_response(world *w, lwsn_handle handle, const char *status, const char *body, bool keep_alive) {
  char text[512];
  snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
  out_raw(w, handle, text);
  out_end(w, handle, keep_alive);
}

uint32_t out_subscribe(world *w, lwsn_handle handle, const char *topic) {
  lwsn_transport *t = lwsn_registry_get(&w->context->services.registry, handle);
  if (!t) return 0;
  world_in_core = true;
  uint32_t subscription = lwsn_topics_join(t, (const uint8_t *)topic, strlen(topic));
  world_in_core = false;
  return subscription;
}

int64_t out_publish_but(world *w, lwsn_handle except, const char *topic, const void *data, size_t size) {
  world_in_core = true;
  lwsn_shared_frame *frame = lwsn_shared_frame_create(size);
  int64_t taken = -1;
  if (frame) {
    if (size > 0) memcpy(lwsn_shared_frame_payload(frame), data, size);
    lwsn_shared_frame_seal(frame, 1);
    taken = lwsn_publish(w->server, (const uint8_t *)topic, strlen(topic), except, frame, false);
    lwsn_shared_frame_unref(frame);
  }
  world_in_core = false;
  return taken;
}

int64_t out_publish(world *w, const char *topic, const void *data, size_t size) {
  return out_publish_but(w, (lwsn_handle){UINT32_MAX, 0}, topic, data, size);
}

double out_queued(const world *w, lwsn_handle handle) {
  return ((const double *)w->context->services.registry.queued->data)[handle.slot];
}

static void answer_request(world *w, const event *e) {
  if (e->detail & LWSN_REQUEST_UPGRADE) {
    if (w->accepts) out_accept(w, e->handle, NULL, w->accept_flags);
  } else if (w->responds && (e->detail & LWSN_REQUEST_BODY)) {
    out_tell(w, e->handle, LWSN_OUT_RESUME);
  } else if (w->responds) {
    out_response(w, e->handle, "200 OK", "ok", true);
  }
}

static void answer_closing(world *w, const event *e) {
  if (w->holds) return;
  if (e->detail == LWSN_CLOSING_OURS)
    out_close(w, e->handle, 1013, "maxBackpressure exceeded");
  else
    out_tell(w, e->handle, LWSN_OUT_ANSWER);
}

void out_react(world *w, const event *e) {
  switch (e->kind) {
    case LWSN_RECORD_REQUEST: answer_request(w, e); break;
    case LWSN_RECORD_BODY:
      if (w->responds && e->detail == 1) out_response(w, e->handle, "200 OK", "ok", true);
      break;
    case LWSN_RECORD_TEXT:
    case LWSN_RECORD_BINARY:
      if (w->echoes) out_message(w, e->handle, e->kind == LWSN_RECORD_TEXT ? 1 : 2, e->data, e->size);
      break;
    case LWSN_RECORD_CLOSING: answer_closing(w, e); break;
    default: break;
  }
}
