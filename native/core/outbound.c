#include "outbound.h"

#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "context.h"
#include "exchange.h"
#include "frame.h"
#include "send.h"
#include "server.h"
#include "transport.h"

enum {
  STAGING_SIZE = 64 * 1024, /* small frames of one transport are joined up to this much */
  JOIN_MAX = 1024,          /* frames above this are cheaper as parts of a scatter write */
};

typedef struct out_record {
  uint32_t kind;
  uint32_t slot;
  uint32_t link; /* the generation, then the offset of the transport's next record */
  uint32_t length;
  uint8_t headroom[16];
  uint8_t payload[];
} out_record;

_Static_assert(sizeof(out_record) == LWSN_OUT_HEADER, "the surface to lib/native.ts");

/* What one transport sends in one go. */
typedef struct gather {
  lwsn_transport *t;
  struct iovec parts[LWSN_PARTS_MAX];
  int count;
  size_t staged;
} gather;

bool lwsn_outbound_init(lwsn_outbound *out) {
  memset(out, 0, sizeof *out);
  out->ring = lwsn_region_create(LWSN_OUT_SIZE);
  out->staging = malloc(STAGING_SIZE);
  /* for the most there can be: a flush must not fail */
  out->dirty = malloc((LWSN_OUT_SIZE - LWSN_OUT_START) / LWSN_OUT_HEADER * sizeof *out->dirty);
  if (!out->ring || !out->staging || !out->dirty) {
    lwsn_outbound_free(out);
    return false;
  }
  *(uint32_t *)out->ring->data = LWSN_OUT_START;
  return true;
}

void lwsn_outbound_free(lwsn_outbound *out) {
  lwsn_region_unref(out->ring);
  free(out->staging);
  free(out->dirty);
  memset(out, 0, sizeof *out);
}

static void gather_flush(gather *g) {
  if (g->count > 0) lwsn_send(g->t, g->parts, g->count);
  g->count = 0;
  g->staged = 0;
}

/* Small frames are joined: one long part costs the kernel less than many short ones. */
static void gather_add(gather *g, const uint8_t *data, size_t size) {
  uint8_t *staging = g->t->context->outbound.staging;
  if (g->count == LWSN_PARTS_MAX || (size <= JOIN_MAX && g->staged + size > STAGING_SIZE)) gather_flush(g);
  if (size > JOIN_MAX) {
    g->parts[g->count++] = (struct iovec){(void *)data, size};
    return;
  }
  uint8_t *at = staging + g->staged;
  memcpy(at, data, size);
  g->staged += size;
  struct iovec *last = g->count > 0 ? &g->parts[g->count - 1] : NULL;
  if (last && (uint8_t *)last->iov_base + last->iov_len == at)
    last->iov_len += size;
  else
    g->parts[g->count++] = (struct iovec){at, size};
}

/* What a message becomes on the wire: itself, or compressed in memory of the context. */
typedef struct shaped {
  uint8_t *data;
  size_t size;
  unsigned first;
} shaped;

static shaped shape(lwsn_connection *c, unsigned detail, uint8_t *data, size_t size) {
  shaped result = {data, size, detail & 0xf};
  if (!c->deflate || (detail & LWSN_OUT_PLAIN) || !lwsn_deflate_wanted(c->deflate, size)) return result;
  size_t length;
  uint8_t *compressed = lwsn_deflate_message(c->deflate, data, size, LWSN_FRAME_HEADER_MAX, &length);
  if (compressed) result = (shaped){compressed, length, result.first | LWSN_FRAME_COMPRESSED};
  return result;
}

static void add_message(gather *g, out_record *r, unsigned detail) {
  lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  shaped m = shape(c, detail, r->payload, r->length);
  uint8_t *frame = lwsn_frame_seal(c, m.data, m.size, m.first);
  size_t size = (size_t)(m.data + m.size - frame);
  g->t->server->stats.messages_sent++;
  /* a single frame goes out of where it is */
  if (g->count == 0 && r->link == 0) {
    g->parts[g->count++] = (struct iovec){frame, size};
    return;
  }
  gather_add(g, frame, size);
  if (m.data != r->payload && size > JOIN_MAX) gather_flush(g); /* the next message takes that memory */
}

static void add_ping(gather *g, out_record *r) {
  lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  uint8_t *frame = lwsn_frame_seal(c, r->payload, r->length, LWSN_OP_PING);
  gather_add(g, frame, (size_t)(r->payload + r->length - frame));
}

static void apply(gather *g, out_record *r) {
  lwsn_transport *t = g->t;
  unsigned detail = r->kind >> 8;
  switch (r->kind & 0xff) {
    case LWSN_OUT_DATA: add_message(g, r, detail); return;
    case LWSN_OUT_PING: add_ping(g, r); return;
    case LWSN_OUT_RAW:
      if (!t->exchange) return;
      t->exchange->begun = true;
      gather_add(g, r->payload, r->length);
      return;
  }
  gather_flush(g);
  switch (r->kind & 0xff) {
    case LWSN_OUT_CLOSE:
      if (t->connection) lwsn_connection_close(t->connection, r->payload, r->length);
      break;
    case LWSN_OUT_TERMINATE:
      if (t->connection)
        lwsn_connection_drop(t->connection, "terminate() was called");
      else
        lwsn_transport_kill(t);
      break;
    case LWSN_OUT_PAUSE: lwsn_transport_pause(t, true); break;
    case LWSN_OUT_RESUME: lwsn_transport_pause(t, false); break;
    case LWSN_OUT_WANT_WRITABLE:
      if (t->connection) lwsn_connection_want_writable(t->connection);
      break;
    case LWSN_OUT_ACCEPT:
      if (t->exchange) lwsn_exchange_accept(t->exchange, (const char *)r->payload, r->length, detail);
      break;
    case LWSN_OUT_RESPONSE_END:
      if (t->exchange) lwsn_exchange_finish(t->exchange, detail == 1);
      break;
  }
}

/* Threads each transport's records into a chain; what names a dead handle is left out. */
static uint32_t sort_records(lwsn_context *c, uint32_t end) {
  uint8_t *base = c->outbound.ring->data;
  uint32_t dirty = 0;
  for (uint32_t at = LWSN_OUT_START; at < end;) {
    out_record *r = (out_record *)(base + at);
    uint32_t size = (LWSN_OUT_HEADER + r->length + 7) & ~7u;
    lwsn_transport *t = lwsn_registry_get(&c->registry, (lwsn_handle){r->slot, r->link});
    if (t && !t->doomed) {
      r->link = 0;
      if (t->out_first) {
        ((out_record *)(base + t->out_last))->link = at;
      } else {
        t->out_first = at;
        c->outbound.dirty[dirty++] = t;
      }
      t->out_last = at;
    }
    at += size;
  }
  return dirty;
}

static void flush_transport(lwsn_context *c, lwsn_transport *t) {
  gather g = {.t = t};
  uint32_t at = t->out_first;
  t->out_first = t->out_last = 0;
  while (at && !t->doomed) {
    out_record *r = (out_record *)(c->outbound.ring->data + at);
    at = r->link;
    apply(&g, r);
  }
  if (!t->doomed) gather_flush(&g);
}

void lwsn_outbound_flush(lwsn_context *c) {
  uint32_t *offset = (uint32_t *)c->outbound.ring->data;
  uint32_t end = *offset;
  if (end > LWSN_OUT_START && !c->outbound.flushing) {
    c->outbound.flushing = true;
    uint32_t dirty = sort_records(c, end);
    for (uint32_t i = 0; i < dirty; i++) flush_transport(c, c->outbound.dirty[i]);
    offset[0] = LWSN_OUT_START;
    offset[1]++; /* whoever counts bytes in the ring starts anew */
    c->outbound.flushing = false;
  }
  lwsn_transport_reap(c);
}

/* Masks a copy: the caller's bytes stay as they are. */
static void send_masked(lwsn_transport *t, shaped m) {
  uint8_t *copy = malloc(LWSN_FRAME_HEADER_MAX + m.size);
  if (!copy) {
    lwsn_transport_kill(t);
    return;
  }
  uint8_t *payload = copy + LWSN_FRAME_HEADER_MAX;
  memcpy(payload, m.data, m.size);
  uint8_t *frame = lwsn_frame_seal(t->connection, payload, m.size, m.first);
  struct iovec part = {frame, (size_t)(payload + m.size - frame)};
  lwsn_send(t, &part, 1);
  free(copy);
}

static void send_message(lwsn_transport *t, unsigned detail, const uint8_t *data, size_t size) {
  shaped m = shape(t->connection, detail, (uint8_t *)data, size);
  t->server->stats.messages_sent++;
  if (t->connection->client) {
    send_masked(t, m);
    return;
  }
  uint8_t header[LWSN_FRAME_HEADER_MAX], no_mask[4];
  uint8_t *start = lwsn_frame_header(t->connection, header + sizeof header, m.size, m.first, no_mask);
  struct iovec parts[2] = {{start, (size_t)(header + sizeof header - start)}, {m.data, m.size}};
  lwsn_send(t, parts, m.size > 0 ? 2 : 1);
}

double lwsn_outbound_send(lwsn_context *c, lwsn_handle handle, unsigned detail, const uint8_t *data, size_t size) {
  lwsn_outbound_flush(c);
  lwsn_transport *t = lwsn_registry_get(&c->registry, handle);
  if (!t || t->doomed) return -1;
  if (detail == LWSN_OPCODE_RAW) {
    if (!t->exchange) return -1;
    t->exchange->begun = true;
    struct iovec part = {(void *)data, size};
    lwsn_send(t, &part, 1);
  } else {
    if (!t->connection || !lwsn_connection_may_send(t->connection)) return -1;
    send_message(t, detail, data, size);
  }
  if (t->doomed) {
    lwsn_transport_reap(c);
    return -1;
  }
  return (double)t->queue.bytes;
}
