#include "context/outbound.h"

#include <stdlib.h>
#include <string.h>

#include "base/sanitize.h"
#include "context/context.h"
#include "http/exchange.h"
#include "net/send.h"
#include "net/server.h"
#include "net/transport.h"
#include "websocket/connection.h"
#include "wire/frame.h"

enum {
  STAGING_SIZE = 64 * 1024, /* small frames of one transport are joined up to this much */
  JOIN_MAX = 1024,          /* frames above this are cheaper as parts of a scatter write */
};

typedef struct out_record {
  uint32_t kind;
  uint32_t slot;
  uint32_t link; /* the generation, then the offset of the transport's next record */
  uint32_t length;
  uint8_t headroom[LWSN_OUT_HEADER - 16]; /* for a frame header */
  uint8_t payload[];
} out_record;

_Static_assert(sizeof(out_record) == LWSN_OUT_HEADER, "the surface to lib/crossing/native.ts");

/* The words before the first record. */
enum { WRITE_OFFSET, SORTED };

static uint32_t *words_of(const lwsn_outbound *out) { return (uint32_t *)out->ring->data; }

/*
 * A link names the next thing a transport sends: 0 for the end, an offset in the
 * ring, or with this bit a delivery of the context's publications.
 */
enum { LINK_DELIVERY = 1u << 31, RING_RECORDS_MAX = (LWSN_OUT_SIZE - LWSN_OUT_START) / LWSN_OUT_HEADER };

/* What one transport sends in one go. */
typedef struct gather {
  lwsn_transport *t;
  struct iovec parts[LWSN_PARTS_MAX];
  lwsn_shared_frame *owners[LWSN_PARTS_MAX]; /* NULL for parts of no shared frame */
  int count;
  size_t staged;
} gather;

bool lwsn_outbound_init(lwsn_outbound *out) {
  memset(out, 0, sizeof *out);
  out->ring = lwsn_region_create(LWSN_OUT_SIZE);
  out->staging = malloc(STAGING_SIZE);
  /* for the most records there can be: a flush must not fail */
  out->dirty_capacity = RING_RECORDS_MAX;
  out->dirty = malloc(RING_RECORDS_MAX * sizeof *out->dirty);
  if (!out->ring || !out->staging || !out->dirty) {
    lwsn_outbound_free(out);
    return false;
  }
  words_of(out)[WRITE_OFFSET] = words_of(out)[SORTED] = LWSN_OUT_START;
  return true;
}

void lwsn_outbound_free(lwsn_outbound *out) {
  lwsn_region_unref(out->ring);
  free(out->staging);
  free(out->dirty);
  memset(out, 0, sizeof *out);
}

bool lwsn_outbound_reserve(lwsn_context *c, uint32_t transports) {
  lwsn_outbound *out = &c->outbound;
  uint32_t needed = out->dirty_count + transports + RING_RECORDS_MAX;
  if (needed <= out->dirty_capacity) return true;
  lwsn_handle *grown = realloc(out->dirty, needed * sizeof *grown);
  if (!grown) return false;
  out->dirty = grown;
  out->dirty_capacity = needed;
  return true;
}

static void gather_flush(gather *g) {
  if (g->count > 0) lwsn_send_shared(g->t, g->parts, g->owners, g->count);
  g->count = 0;
  g->staged = 0;
  lwsn_poison(g->t->context->outbound.staging, STAGING_SIZE);
}

static void add_part(gather *g, const uint8_t *data, size_t size, lwsn_shared_frame *owner) {
  g->owners[g->count] = owner;
  g->parts[g->count++] = (struct iovec){(void *)data, size};
}

/* Small frames are joined: one long part costs the kernel less than many short ones. */
static void gather_add(gather *g, const uint8_t *data, size_t size, lwsn_shared_frame *owner) {
  uint8_t *staging = g->t->context->outbound.staging;
  if (g->count == LWSN_PARTS_MAX || (size <= JOIN_MAX && g->staged + size > STAGING_SIZE)) gather_flush(g);
  if (size > JOIN_MAX) {
    add_part(g, data, size, owner);
    return;
  }
  uint8_t *at = staging + g->staged;
  lwsn_unpoison(at, size);
  memcpy(at, data, size);
  g->staged += size;
  struct iovec *last = g->count > 0 ? &g->parts[g->count - 1] : NULL;
  if (last && (uint8_t *)last->iov_base + last->iov_len == at)
    last->iov_len += size;
  else
    add_part(g, at, size, NULL);
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

/* What is `alone` in this flush goes out of where it is. */
static void add_frames(gather *g, const uint8_t *data, size_t size, lwsn_shared_frame *owner, bool alone) {
  if (alone)
    add_part(g, data, size, owner);
  else
    gather_add(g, data, size, owner);
}

static void add_message(gather *g, unsigned detail, uint8_t *data, size_t length, bool alone) {
  lwsn_connection *c = g->t->connection;
  shaped m = shape(c, detail, data, length);
  uint8_t *frame = lwsn_frame_seal(c, m.data, m.size, m.first);
  size_t size = (size_t)(m.data + m.size - frame);
  g->t->server->stats.messages_sent++;
  add_frames(g, frame, size, NULL, alone);
  if (!alone && m.data != data && size > JOIN_MAX) gather_flush(g); /* the next message takes that memory */
}

static bool is_alone(const gather *g, const out_record *r) { return g->count == 0 && r->link == 0; }

static void add_data(gather *g, out_record *r, unsigned detail) {
  const lwsn_connection *c = g->t->connection;
  if (c && lwsn_connection_may_send(c)) add_message(g, detail, r->payload, r->length, is_alone(g, r));
}

/* A header of our own may be longer than the one that is there: then it takes the end of a message that has gone. */
static void add_each(gather *g, out_record *r) {
  bool alone = r->length >= 2 && 2u + r->payload[1] == r->length && is_alone(g, r);
  for (uint32_t at = 0; at + 2 <= r->length && !g->t->doomed;) {
    uint8_t *header = r->payload + at;
    at += 2u + header[1];
    if (at > r->length) return;
    add_message(g, header[0] & 0x0f, header + 2, header[1], alone);
  }
}

static uint32_t frames_in(const out_record *r) {
  uint32_t count = 0;
  for (uint32_t at = 0; at + 2 <= r->length; at += 2u + r->payload[at + 1]) count++;
  return count;
}

static void add_short(gather *g, out_record *r) {
  const lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  if (c->client || c->deflate) {
    add_each(g, r);
    return;
  }
  g->t->server->stats.messages_sent += frames_in(r);
  add_frames(g, r->payload, r->length, NULL, is_alone(g, r));
}

static void add_ping(gather *g, out_record *r) {
  lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  uint8_t *frame = lwsn_frame_seal(c, r->payload, r->length, LWSN_OP_PING);
  gather_add(g, frame, (size_t)(r->payload + r->length - frame), NULL);
}

/* A publication for a connection whose compressor remembers what it sent before. */
static void add_own(gather *g, const lwsn_publication *p) {
  lwsn_connection *c = g->t->connection;
  uint8_t *payload = lwsn_shared_frame_payload(p->frame);
  shaped m = shape(c, lwsn_shared_frame_first(p->frame), payload, lwsn_shared_frame_payload_size(p->frame));
  size_t size;
  const uint8_t *frame = lwsn_shared_frame_bytes(p->frame, &size);
  if (m.data != payload) {
    frame = lwsn_frame_seal(c, m.data, m.size, m.first);
    size = (size_t)(m.data + m.size - frame);
  }
  gather_add(g, frame, size, NULL);
  if (size > JOIN_MAX) gather_flush(g); /* the next message takes that memory */
}

static void add_delivery(gather *g, const lwsn_delivery *d) {
  lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  if (d->publication == LWSN_OVERFLOW) {
    gather_flush(g);
    lwsn_connection_overflow(c);
    return;
  }
  lwsn_publication *p = &g->t->context->publications.list[d->publication];
  g->t->server->stats.messages_sent++;
  lwsn_shared_frame *shared = lwsn_publication_frame(p, c);
  if (!shared) {
    add_own(g, p);
    return;
  }
  size_t size;
  const uint8_t *frame = lwsn_shared_frame_bytes(shared, &size);
  add_frames(g, frame, size, shared, g->count == 0 && d->next == 0);
}

static void apply(gather *g, out_record *r) {
  lwsn_transport *t = g->t;
  unsigned detail = r->kind >> 8;
  switch (r->kind & 0xff) {
    case LWSN_OUT_DATA: add_data(g, r, detail); return;
    case LWSN_OUT_SHORT: add_short(g, r); return;
    case LWSN_OUT_PING: add_ping(g, r); return;
    case LWSN_OUT_RAW:
      if (!t->exchange || !t->exchange->told) return; /* a refusal may have come first */
      if (detail != 1) lwsn_exchange_written(t->exchange);
      gather_add(g, r->payload, r->length, NULL);
      return;
  }
  gather_flush(g);
  switch (r->kind & 0xff) {
    case LWSN_OUT_CLOSE:
      if (t->connection) lwsn_connection_close(t->connection, r->payload, r->length);
      break;
    case LWSN_OUT_ANSWER:
      if (t->connection) lwsn_connection_answer(t->connection);
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
    case LWSN_OUT_UNTIL_END:
      if (t->exchange) lwsn_exchange_until_end(t->exchange);
      break;
    case LWSN_OUT_RESPONSE_END:
      if (t->exchange) lwsn_exchange_finish(t->exchange, detail == 1);
      break;
  }
}

static void append(lwsn_transport *t, uint32_t link) {
  lwsn_context *c = t->context;
  if (!t->out_first) {
    t->out_first = link;
    c->outbound.dirty[c->outbound.dirty_count++] = t->handle;
  } else if (t->out_last & LINK_DELIVERY) {
    c->publications.deliveries[t->out_last & ~LINK_DELIVERY].next = link;
  } else {
    ((out_record *)(c->outbound.ring->data + t->out_last))->link = link;
  }
  t->out_last = link;
}

void lwsn_outbound_link_delivery(lwsn_transport *t, uint32_t delivery) { append(t, delivery | LINK_DELIVERY); }

/* What a record means for publications before it is applied. */
static void foresee(lwsn_transport *t, const out_record *r) {
  unsigned kind = r->kind & 0xff;
  if (kind == LWSN_OUT_CLOSE || kind == LWSN_OUT_ANSWER || kind == LWSN_OUT_TERMINATE)
    lwsn_topics_leave_all(&t->server->topics, t);
}

/* What names a dead handle is left out. */
void lwsn_outbound_sort(lwsn_context *c) {
  uint8_t *base = c->outbound.ring->data;
  uint32_t *words = words_of(&c->outbound);
  uint32_t end = words[WRITE_OFFSET], at = words[SORTED];
  while (at < end) {
    out_record *r = (out_record *)(base + at);
    /* whatever the writer may have done: nothing beyond what it says it wrote */
    if (end > LWSN_OUT_SIZE || end - at < LWSN_OUT_HEADER || r->length > end - at - LWSN_OUT_HEADER) break;
    uint32_t size = (LWSN_OUT_HEADER + r->length + 7) & ~7u;
    lwsn_handle handle = {r->slot, r->link};
    lwsn_transport *t = lwsn_registry_get(&c->registry, handle);
    if (t && !t->doomed) {
      r->link = 0;
      append(t, at);
      foresee(t, r);
    } else {
      lwsn_registry_forgo(&c->registry, handle);
    }
    at += size;
  }
  words[SORTED] = end;
}

static void flush_transport(lwsn_context *c, lwsn_transport *t) {
  gather g;
  g.t = t;
  g.count = 0;
  g.staged = 0;
  uint32_t at = t->out_first;
  t->out_first = t->out_last = 0;
  *lwsn_registry_handed(&c->registry, t->handle.slot) = 0;
  while (at && !t->doomed) {
    if (at & LINK_DELIVERY) {
      const lwsn_delivery *d = &c->publications.deliveries[at & ~LINK_DELIVERY];
      at = d->next;
      add_delivery(&g, d);
    } else {
      out_record *r = (out_record *)(c->outbound.ring->data + at);
      at = r->link;
      apply(&g, r);
    }
  }
  if (!t->doomed) gather_flush(&g);
}

void lwsn_outbound_flush(lwsn_context *c) {
  lwsn_outbound *out = &c->outbound;
  uint32_t *words = words_of(out);
  bool any = words[WRITE_OFFSET] > LWSN_OUT_START || c->publications.delivery_count > 0;
  if (any && !out->flushing) {
    out->flushing = true;
    lwsn_outbound_sort(c);
    for (uint32_t i = 0; i < out->dirty_count; i++) {
      /* what was sorted earlier may have died since */
      lwsn_transport *t = lwsn_registry_get(&c->registry, out->dirty[i]);
      if (t && !t->doomed) flush_transport(c, t);
    }
    lwsn_publications_clear(&c->publications);
    out->dirty_count = 0;
    words[SORTED] = words[WRITE_OFFSET] = LWSN_OUT_START;
    out->flushing = false;
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
    if (!t->exchange || !t->exchange->told) return -1;
    lwsn_exchange_written(t->exchange);
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
