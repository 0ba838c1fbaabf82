#include "context/context.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/server.h"
#include "net/tls_io.h"
#include "net/transport.h"
#include "websocket/connection.h"

enum {
  /* above this lws falls back to 2560 descriptors (facts 9.3) */
  FDS_TRUSTED = 1 << 20,
  SLOTS_MAX = 1 << 20,
  BATCHES_PER_TURN = 4,
};

/* lws sizes its tables by the soft limit, and mistrusts a huge one. */
static struct lws_context *create_lws(const struct lws_context_creation_info *info) {
  struct rlimit limit, lowered;
  bool lower =
      getrlimit(RLIMIT_NOFILE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > FDS_TRUSTED);
  if (lower) {
    lowered = limit;
    lowered.rlim_cur = FDS_TRUSTED;
    lower = setrlimit(RLIMIT_NOFILE, &lowered) == 0;
  }
  struct lws_context *lws = lws_create_context(info);
  if (lower) setrlimit(RLIMIT_NOFILE, &limit);
  return lws;
}

static uint32_t slot_capacity(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 65536;
  return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > SLOTS_MAX ? SLOTS_MAX : (uint32_t)limit.rlim_cur;
}

static bool init_lws(lwsn_context *c) {
  void *loops[] = {c};
  struct lws_context_creation_info info;
  memset(&info, 0, sizeof info);
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = lwsn_protocols;
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
  info.event_lib_custom = &lwsn_event_library;
  info.foreign_loops = loops;
  info.pt_serv_buf_size = 16 * 1024;
  info.user = c;
  c->lws = create_lws(&info);
  if (!c->lws) return false;
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.vhost_name = "lwsn";
  c->vhost = lws_create_vhost(c->lws, &info);
  return c->vhost != NULL;
}

lwsn_context *lwsn_context_create(uv_loop_t *loop, lwsn_batch_fn on_batch, void *data, const char **why) {
  lwsn_context *c = calloc(1, sizeof *c);
  *why = "out of memory";
  if (!c) return NULL;
  c->on_batch = on_batch;
  c->on_batch_data = data;
  lwsn_list_init(&c->groups);
  lwsn_list_init(&c->stalled);
  lwsn_list_init(&c->leaving);
  lwsn_list_init(&c->doomed);
  lwsn_wheel_init(&c->wheel, uv_now(loop));
  c->scratch = malloc(LWSN_SCRATCH_SIZE);
  bool memory = c->scratch && lwsn_registry_init(&c->registry, slot_capacity()) && lwsn_inbound_init(&c->inbound) &&
                lwsn_outbound_init(&c->outbound);
  if (memory) {
    *why = "the event loop refused a handle";
    if (lwsn_loop_init(c, loop) == 0) {
      if (init_lws(c)) return c;
      lwsn_context_destroy(c, NULL, NULL);
      *why = "lws could not create its context";
      return NULL;
    }
  }
  lwsn_outbound_free(&c->outbound);
  lwsn_inbound_free(&c->inbound);
  lwsn_registry_free(&c->registry);
  free(c->scratch);
  free(c);
  return NULL;
}

static void on_loop_closed(void *data) {
  lwsn_context *c = data;
  lwsn_deflate_shared_free(c->deflate);
  lwsn_tls_io_free(c->tls_io);
  lwsn_publications_free(&c->publications);
  free(c->places);
  lwsn_outbound_free(&c->outbound);
  lwsn_inbound_free(&c->inbound);
  lwsn_registry_free(&c->registry);
  free(c->scratch);
  void (*done)(void *) = c->on_destroyed;
  void *done_data = c->on_destroyed_data;
  free(c);
  if (done) done(done_data);
}

void lwsn_context_destroy(lwsn_context *c, void (*done)(void *), void *data) {
  c->on_destroyed = done;
  c->on_destroyed_data = data;
  if (c->lws) lwsn_outbound_flush(c);
  c->destroying = true;
  for (uint32_t i = 0; i < c->places_used; i++)
    if (c->places[i].server) lwsn_server_release(c->places[i].server);
  lwsn_transport_reap(c);
  if (c->lws) lws_context_destroy(c->lws);
  c->lws = NULL;
  lwsn_loop_close(c, on_loop_closed, c);
}

const struct lws_protocols *lwsn_context_protocol(lwsn_context *c, int which) {
  return lws_vhost_name_to_protocol(c->vhost, lwsn_protocols[which].name);
}

/*
 * Who has waited longest goes first, and as long as there is room: whoever is left over keeps its place, and who
 * stalls again goes to the end. So everybody has its turn, however many flood.
 */
static void resume_stalled(lwsn_context *c) {
  lwsn_node end; /* behind the present ones: those that stall again wait for the next batch */
  lwsn_list_init(&end);
  lwsn_list_append(&c->stalled, &end);
  while (c->stalled.next != &end && lwsn_inbound_has_room(&c->inbound)) {
    lwsn_node *node = c->stalled.next;
    lwsn_list_remove(node);
    lwsn_transport *t = LWSN_CONTAINER(node, lwsn_transport, in_stalled);
    if (!t->doomed) lwsn_transport_visit(t);
  }
  lwsn_list_remove(&end);
}

/* Behind the flush: what handlers of the last batch and their promises sent is on its way. */
static void tell_leaving(lwsn_context *c) {
  for (lwsn_node *node = c->leaving.next, *next; node != &c->leaving; node = next) {
    next = node->next;
    lwsn_connection *connection = LWSN_CONTAINER(node, lwsn_transport, in_stalled)->connection;
    if (!connection || lwsn_connection_tell_closing(connection)) lwsn_list_remove(node);
  }
}

static void deliver(lwsn_context *c) {
  /* a slot given back from here on may have its last record in the next batch */
  uint32_t rested = c->inbound.overflow_count == 0 ? c->registry.resting_count : 0;
  c->in_batch = true;
  lwsn_inbound_deliver(&c->inbound);
  lwsn_inbound_stir(&c->inbound);
  c->on_batch(c, c->on_batch_data);
  lwsn_inbound_quiet(&c->inbound);
  c->in_batch = false;
  lwsn_inbound_settle(&c->inbound);
  lwsn_registry_settle(&c->registry, rested);
}

void lwsn_context_turn(lwsn_context *c) {
  if (c->destroying || c->in_batch) return;
  for (int i = 0;; i++) {
    lwsn_outbound_flush(c); /* first: a pause or close holds back what would be parsed next */
    lwsn_deflate_shared_trim(c->deflate);
    if (!lwsn_list_empty(&c->leaving)) tell_leaving(c);
    if (!lwsn_list_empty(&c->stalled)) {
      resume_stalled(c);
      lwsn_transport_reap(c);
    }
    bool left = c->inbound.count > 0 || !lwsn_list_empty(&c->stalled);
    if (c->inbound.count == 0)
      lwsn_registry_settle(&c->registry, c->registry.resting_count); /* no record waits for any slot */
    if (!left || i == BATCHES_PER_TURN) {
      lwsn_loop_keep_awake(c, left);
      return;
    }
    if (c->inbound.count > 0) deliver(c);
    if (c->destroying) return;
  }
}
