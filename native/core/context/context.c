#include "context/context.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "context/handlers.h"
#include "context/servers.h"
#include "context/turn.h"
#include "net/ready.h"
#include "net/tls_io.h"
#include "net/transport.h"
#include "topics/topics.h"

enum { SLOTS_MAX = 1 << 20 };

static uint32_t slot_capacity(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 65536;
  return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > SLOTS_MAX ? SLOTS_MAX : (uint32_t)limit.rlim_cur;
}

static void flush(lwsn_services *services) { lwsn_outbound_flush(lwsn_context_of(services)); }

static const lwsn_above above = {.flush = flush, .unsubscribe = lwsn_topics_leave_all};

static void draw(void *services, void *bytes, size_t size) {
  lwsn_door_random(((lwsn_services *)services)->door, bytes, size);
}

static bool init(lwsn_context *c, uint64_t now) {
  lwsn_services *s = &c->services;
  s->above = &above;
  s->chain = &c->chain;
  s->publications = &c->publications;
  s->masks.draw = draw;
  s->masks.from = s;
  lwsn_list_init(&s->groups);
  lwsn_list_init(&s->stalled);
  lwsn_list_init(&s->leaving);
  lwsn_list_init(&s->doomed);
  lwsn_wheel_init(&s->wheel, now);
  s->scratch = malloc(LWSN_SCRATCH_SIZE);
  c->staging = malloc(LWSN_STAGING_SIZE);
  return s->scratch && c->staging && lwsn_registry_init(&s->registry, slot_capacity()) &&
         lwsn_inbound_init(&s->inbound) && lwsn_chain_init(&c->chain);
}

static void free_context(lwsn_context *c) {
  lwsn_services *s = &c->services;
  lwsn_door_free(s->door);
  lwsn_deflate_shared_free(s->deflate);
  lwsn_tls_io_free(s->tls_io);
  lwsn_publications_free(&c->publications);
  free(s->places);
  lwsn_chain_free(&c->chain);
  lwsn_inbound_free(&s->inbound);
  lwsn_registry_free(&s->registry);
  free(s->scratch);
  free(c->staging);
  free(c);
}

lwsn_context *lwsn_context_create(uv_loop_t *loop, lwsn_batch_fn on_batch, void *data, const char **why) {
  lwsn_context *c = calloc(1, sizeof *c);
  *why = "out of memory";
  if (!c) return NULL;
  c->on_batch = on_batch;
  c->on_batch_data = data;
  if (!init(c, uv_now(loop))) {
    free_context(c);
    return NULL;
  }
  lwsn_services *s = &c->services;
  lwsn_loop_init(&s->loop, loop, lwsn_turn_before_poll, lwsn_turn_after_poll, c);
  if (lwsn_door_open(&s->door, &s->loop, &lwsn_handlers, lwsn_ready, s)) return c;
  lwsn_context_destroy(c, NULL, NULL);
  *why = "lws could not create its context";
  return NULL;
}

static void on_loop_closed(void *context) {
  lwsn_context *c = context;
  void (*done)(void *) = c->on_destroyed;
  void *data = c->on_destroyed_data;
  free_context(c);
  if (done) done(data);
}

void lwsn_context_destroy(lwsn_context *c, void (*done)(void *), void *data) {
  lwsn_services *s = &c->services;
  c->on_destroyed = done;
  c->on_destroyed_data = data;
  lwsn_outbound_flush(c);
  s->destroying = true;
  for (uint32_t i = 0; i < s->places_used; i++)
    if (s->places[i].server) lwsn_server_release(s->places[i].server);
  lwsn_transport_reap(s);
  if (s->door) lwsn_door_close(s->door);
  lwsn_loop_close(&s->loop, on_loop_closed, c);
}
