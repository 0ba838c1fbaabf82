#include "context/flush.h"

#include <stdlib.h>
#include <string.h>

#include "base/sanitize.h"
#include "http/accepting.h"
#include "net/send.h"
#include "net/server.h"

enum { JOIN_MAX = 1024 }; /* frames above this are cheaper as parts of a scatter write */

/* What one transport sends in one go. */
typedef struct gather {
  lwsn_context *context;
  lwsn_transport *t;
  struct iovec parts[LWSN_PARTS_MAX];
  lwsn_shared_frame *owners[LWSN_PARTS_MAX]; /* NULL for parts of no shared frame */
  int count;
  size_t staged;
} gather;

static void gather_flush(gather *g) {
  if (g->count > 0) lwsn_send_shared(g->t, g->parts, g->owners, g->count);
  g->count = 0;
  g->staged = 0;
  lwsn_poison(g->context->staging, LWSN_STAGING_SIZE);
}

static void add_part(gather *g, const uint8_t *data, size_t size, lwsn_shared_frame *owner) {
  g->owners[g->count] = owner;
  g->parts[g->count++] = (struct iovec){(void *)data, size};
}

/* Small frames are joined: one long part costs the kernel less than many short ones. */
static void gather_add(gather *g, const uint8_t *data, size_t size, lwsn_shared_frame *owner) {
  uint8_t *staging = g->context->staging;
  if (g->count == LWSN_PARTS_MAX || (size <= JOIN_MAX && g->staged + size > LWSN_STAGING_SIZE)) gather_flush(g);
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
  uint8_t *frame = lwsn_frame_seal(lwsn_connection_masks(c), m.data, m.size, m.first);
  size_t size = (size_t)(m.data + m.size - frame);
  g->t->server->stats.messages_sent++;
  add_frames(g, frame, size, NULL, alone);
  if (!alone && m.data != data && size > JOIN_MAX) gather_flush(g); /* the next message takes that memory */
}

static bool is_alone(const gather *g, const lwsn_out_record *r) { return g->count == 0 && r->link == 0; }

static void add_data(gather *g, lwsn_out_record *r, unsigned detail) {
  const lwsn_connection *c = g->t->connection;
  if (c && lwsn_connection_may_send(c)) add_message(g, detail, r->payload, r->length, is_alone(g, r));
}

/* A header of our own may be longer than the one that is there: then it takes the end of a message that has gone. */
static void add_each(gather *g, lwsn_out_record *r) {
  bool alone = r->length >= 2 && 2u + r->payload[1] == r->length && is_alone(g, r);
  for (uint32_t at = 0; at + 2 <= r->length && !g->t->doomed;) {
    uint8_t *header = r->payload + at;
    at += 2u + header[1];
    if (at > r->length) return;
    add_message(g, header[0] & 0x0f, header + 2, header[1], alone);
  }
}

static uint32_t frames_in(const lwsn_out_record *r) {
  uint32_t count = 0;
  for (uint32_t at = 0; at + 2 <= r->length; at += 2u + r->payload[at + 1]) count++;
  return count;
}

static void add_short(gather *g, lwsn_out_record *r) {
  const lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  if (c->client || c->deflate) {
    add_each(g, r);
    return;
  }
  g->t->server->stats.messages_sent += frames_in(r);
  add_frames(g, r->payload, r->length, NULL, is_alone(g, r));
}

static void add_ping(gather *g, lwsn_out_record *r) {
  lwsn_connection *c = g->t->connection;
  if (!c || !lwsn_connection_may_send(c)) return;
  uint8_t *frame = lwsn_frame_seal(lwsn_connection_masks(c), r->payload, r->length, LWSN_OP_PING);
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
    frame = lwsn_frame_seal(lwsn_connection_masks(c), m.data, m.size, m.first);
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
  lwsn_publication *p = &g->context->publications.list[d->publication];
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

static void apply(gather *g, lwsn_out_record *r) {
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
      if (t->exchange) lwsn_accept(t->exchange, (const char *)r->payload, r->length, detail);
      break;
    case LWSN_OUT_UNTIL_END:
      if (t->exchange) lwsn_exchange_until_end(t->exchange);
      break;
    case LWSN_OUT_RESPONSE_END:
      if (t->exchange) lwsn_exchange_finish(t->exchange, detail == 1);
      break;
  }
}

static void flush_transport(lwsn_context *c, lwsn_transport *t) {
  gather g;
  g.context = c;
  g.t = t;
  g.count = 0;
  g.staged = 0;
  uint32_t at = t->out_first;
  t->out_first = t->out_last = 0;
  *lwsn_registry_handed(&c->services.registry, t->handle.slot) = 0;
  while (at && !t->doomed) {
    if (at & LWSN_LINK_DELIVERY) {
      const lwsn_delivery *d = &c->chain.deliveries[at & ~LWSN_LINK_DELIVERY];
      at = d->next;
      add_delivery(&g, d);
    } else {
      lwsn_out_record *r = (lwsn_out_record *)(c->chain.ring->data + at);
      at = r->link;
      apply(&g, r);
    }
  }
  if (!t->doomed) gather_flush(&g);
}

void lwsn_outbound_flush(lwsn_context *c) {
  lwsn_chain *chain = &c->chain;
  lwsn_services *services = &c->services;
  if (!c->flushing && !lwsn_chain_is_empty(chain)) {
    c->flushing = true;
    lwsn_chain_sort(services);
    for (uint32_t i = 0; i < chain->dirty_count; i++) {
      /* what was sorted earlier may have died since */
      lwsn_transport *t = lwsn_registry_get(&services->registry, chain->dirty[i]);
      if (t && !t->doomed) flush_transport(c, t);
    }
    lwsn_publications_clear(&c->publications);
    lwsn_chain_clear(chain);
    c->flushing = false;
  }
  lwsn_transport_reap(services);
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
  uint8_t *frame = lwsn_frame_seal(lwsn_connection_masks(t->connection), payload, m.size, m.first);
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
  uint8_t header[LWSN_FRAME_HEADER_MAX];
  uint8_t *start = lwsn_frame_plain_header(header + sizeof header, m.size, m.first);
  struct iovec parts[2] = {{start, (size_t)(header + sizeof header - start)}, {m.data, m.size}};
  lwsn_send(t, parts, m.size > 0 ? 2 : 1);
}

double lwsn_outbound_send(lwsn_context *c, lwsn_handle handle, unsigned detail, const uint8_t *data, size_t size) {
  lwsn_outbound_flush(c);
  lwsn_transport *t = lwsn_registry_get(&c->services.registry, handle);
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
    lwsn_transport_reap(&c->services);
    return -1;
  }
  return (double)t->queue.bytes;
}
