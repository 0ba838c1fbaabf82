#include "topics/publish.h"

#include <stdlib.h>
#include <string.h>

#include "net/chain.h"
#include "net/transport.h"
#include "topics/topics.h"

enum {
  CAPACITY_MIN = 256,
  /* what may wait for the end of the turn: more is flushed before the next publication */
  DELIVERIES_MAX = 64 * 1024,
  BYTES_MAX = 1024 * 1024,
};

/* The frame as connections with equal settings and no context of their own send it. */
typedef struct lwsn_compressed {
  struct lwsn_compressed *next;
  uint32_t settings;
  lwsn_shared_frame *frame;
} lwsn_compressed;

/* Room for everything at once: handing out must not fail half-way. */
static bool reserve(lwsn_services *services, uint32_t deliveries) {
  lwsn_publications *p = services->publications;
  if (p->count == p->capacity) {
    uint32_t capacity = p->capacity ? p->capacity * 2 : CAPACITY_MIN;
    lwsn_publication *grown = realloc(p->list, capacity * sizeof *grown);
    if (!grown) return false;
    p->list = grown;
    p->capacity = capacity;
  }
  return lwsn_chain_reserve(services->chain, deliveries);
}

/*
 * Only bytes that the socket refused are backpressure: where none wait, whatever
 * is on its way is taken. What could pass the limit on its own was flushed before.
 */
static bool fits(lwsn_transport *t, size_t size) {
  double *handed = lwsn_registry_handed(&t->services->registry, t->handle.slot);
  double all = (double)t->queue.bytes + *handed + (double)size;
  if (t->queue.bytes > 0 && all > t->server->options.max_backpressure) return false;
  *handed += (double)size;
  return true;
}

/* Whether so much more could be too much for the end of the turn, or for somebody's backpressure. */
static bool must_flush(const lwsn_server *server, size_t size) {
  const lwsn_publications *p = server->services->publications;
  const lwsn_chain *chain = server->services->chain;
  double waits = (double)p->bytes + lwsn_chain_written(chain);
  return chain->delivery_count > DELIVERIES_MAX || p->bytes + size > BYTES_MAX ||
         waits + (double)size > server->options.max_backpressure;
}

static bool hand_over(lwsn_transport *t, uint32_t publication, size_t size) {
  if (t->doomed || !t->connection || !lwsn_connection_may_send(t->connection)) return false;
  if (fits(t, size)) {
    lwsn_chain_deliver(t, publication);
    return true;
  }
  if (t->server->options.drops_overflow) return false;
  lwsn_chain_deliver(t, LWSN_OVERFLOW);
  lwsn_topics_leave_all(t);
  return false;
}

static bool is_same(lwsn_handle a, lwsn_handle b) { return a.slot == b.slot && a.generation == b.generation; }

int64_t lwsn_publish(lwsn_server *server, const uint8_t *name, size_t name_size, lwsn_handle except,
                     lwsn_shared_frame *frame, bool plain) {
  lwsn_services *services = server->services;
  lwsn_publications *p = services->publications;
  size_t size = lwsn_shared_frame_payload_size(frame);
  if (must_flush(server, size)) services->above->flush(services);
  lwsn_chain_sort(services);
  lwsn_topic *topic = lwsn_topics_find(server, name, name_size);
  if (!topic) return 0;
  if (!reserve(services, topic->count)) return -1;
  int64_t taken = 0;
  /* from the end: whoever leaves, and perhaps takes the topic along, has its place filled by one who had his turn */
  for (uint32_t i = topic->count; i-- > 0;) {
    lwsn_transport *t = topic->members[i].transport;
    if (!is_same(t->handle, except)) taken += hand_over(t, p->count, size);
  }
  if (taken == 0) return 0;
  lwsn_shared_frame_ref(frame);
  p->list[p->count++] = (lwsn_publication){.frame = frame, .plain = plain};
  p->bytes += size;
  return taken;
}

uint32_t lwsn_subscribers(lwsn_server *server, const uint8_t *name, size_t name_size) {
  lwsn_chain_sort(server->services);
  lwsn_topic *topic = lwsn_topics_find(server, name, name_size);
  return topic ? topic->count : 0;
}

static lwsn_compressed *compress(lwsn_publication *p, lwsn_deflate *deflate) {
  size_t plain_size = lwsn_shared_frame_payload_size(p->frame), size;
  const uint8_t *bytes = lwsn_deflate_message(deflate, lwsn_shared_frame_payload(p->frame), plain_size, 0, &size);
  lwsn_compressed *packed = bytes ? malloc(sizeof *packed) : NULL;
  if (!packed) return NULL;
  packed->frame = lwsn_shared_frame_create(size);
  if (!packed->frame) {
    free(packed);
    return NULL;
  }
  memcpy(lwsn_shared_frame_payload(packed->frame), bytes, size);
  lwsn_shared_frame_seal(packed->frame, lwsn_shared_frame_first(p->frame) | LWSN_FRAME_COMPRESSED);
  packed->settings = lwsn_deflate_settings(deflate);
  packed->next = p->packed;
  p->packed = packed;
  return packed;
}

lwsn_shared_frame *lwsn_publication_frame(lwsn_publication *p, lwsn_connection *c) {
  lwsn_deflate *deflate = c->deflate;
  if (!deflate || p->plain || !lwsn_deflate_wanted(deflate, lwsn_shared_frame_payload_size(p->frame))) return p->frame;
  uint32_t settings = lwsn_deflate_settings(deflate);
  if (settings == 0) return NULL;
  lwsn_compressed *packed = p->packed;
  while (packed && packed->settings != settings) packed = packed->next;
  if (!packed) packed = compress(p, deflate);
  return packed ? packed->frame : p->frame; /* without memory it goes as it is */
}

void lwsn_publications_clear(lwsn_publications *p) {
  for (uint32_t i = 0; i < p->count; i++) {
    lwsn_shared_frame_unref(p->list[i].frame);
    for (lwsn_compressed *packed = p->list[i].packed, *next; packed; packed = next) {
      next = packed->next;
      lwsn_shared_frame_unref(packed->frame);
      free(packed);
    }
  }
  p->count = 0;
  p->bytes = 0;
}

void lwsn_publications_free(lwsn_publications *p) {
  lwsn_publications_clear(p);
  free(p->list);
  memset(p, 0, sizeof *p);
}
