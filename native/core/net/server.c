#include "net/server.h"

#include <stdlib.h>

#include "context/context.h"
#include "http/exchange.h"
#include "net/listener.h"
#include "net/tls_context.h"
#include "net/transport.h"

enum { PLACE_MASK = (1 << LWSN_SERVER_PLACE_BITS) - 1 };

static bool may_be_taken(const lwsn_place *place) { return !place->server && place->tenants < LWSN_SERVER_TENANTS; }

/* Gives a server the first free place; a client's connection is a server of one transport, so there may be many. */
static bool take_place(lwsn_context *c, lwsn_server *server) {
  uint32_t place = c->places_free;
  if (place == c->places_used) {
    if (c->places_used == c->places_capacity) {
      uint32_t capacity = c->places_capacity ? c->places_capacity * 2 : 16;
      lwsn_place *grown = capacity > PLACE_MASK + 1 ? NULL : realloc(c->places, capacity * sizeof *grown);
      if (!grown) return false;
      c->places = grown;
      c->places_capacity = capacity;
    }
    c->places[c->places_used++] = (lwsn_place){0};
  }
  c->places[place].server = server;
  server->id = ++c->places[place].tenants << LWSN_SERVER_PLACE_BITS | place;
  while (c->places_free < c->places_used && !may_be_taken(&c->places[c->places_free])) c->places_free++;
  return true;
}

static void leave_place(lwsn_context *c, const lwsn_server *server) {
  uint32_t place = server->id & PLACE_MASK;
  c->places[place].server = NULL;
  if (place < c->places_free && may_be_taken(&c->places[place])) c->places_free = place;
}

lwsn_server *lwsn_server_create(lwsn_context *context, const lwsn_server_options *options) {
  lwsn_server *server = calloc(1, sizeof *server);
  if (!server) return NULL;
  server->promised = lwsn_inbound_promise(&context->inbound);
  if (!server->promised || !take_place(context, server)) {
    if (server->promised) lwsn_inbound_renounce(&context->inbound);
    free(server);
    return NULL;
  }
  uint64_t seeds[3];
  lws_get_random(context->lws, seeds, sizeof seeds);
  server->context = context;
  server->options = *options;
  server->referenced = true;
  lwsn_peers_init(&server->peers, seeds[0]);
  lwsn_topics_init(&server->topics, seeds + 1);
  lwsn_list_init(&server->transports);
  lwsn_list_init(&server->in_member);
  return server;
}

lwsn_server *lwsn_server_find(lwsn_context *context, uint64_t id) {
  uint32_t place = id & PLACE_MASK;
  lwsn_server *server = place < context->places_used ? context->places[place].server : NULL;
  return server && server->id == id && !server->released ? server : NULL;
}

void lwsn_server_drain(lwsn_server *server) {
  server->draining = true;
  for (lwsn_node *node = server->transports.next; node != &server->transports; node = node->next) {
    lwsn_transport *t = LWSN_CONTAINER(node, lwsn_transport, in_server);
    if (t->exchange && !t->doomed) lwsn_exchange_drain(t->exchange);
  }
  lwsn_server_settle(server);
}

void lwsn_server_kill_all(lwsn_server *server) {
  for (lwsn_node *node = server->transports.next; node != &server->transports; node = node->next)
    lwsn_transport_kill(LWSN_CONTAINER(node, lwsn_transport, in_server));
}

void lwsn_server_release(lwsn_server *server) {
  if (server->released) return;
  server->released = true;
  lwsn_group_leave(server);
  lwsn_listener_close_all(server);
  lwsn_server_kill_all(server);
  lwsn_server_settle(server);
}

lwsn_record lwsn_server_record(const lwsn_server *server, lwsn_record_kind kind, uint32_t detail) {
  uint32_t low = (uint32_t)server->id, high = (uint32_t)(server->id >> 32);
  return (lwsn_record){.kind = kind, .slot = high, .slab = -1, .detail = detail, .extra = low};
}

void lwsn_server_settle(lwsn_server *server) {
  if (!lwsn_list_empty(&server->transports)) return;
  if (server->draining && server->promised && !server->context->destroying) {
    lwsn_record record = lwsn_server_record(server, LWSN_RECORD_EMPTY, 0);
    server->promised = false;
    lwsn_inbound_push_last(&server->context->inbound, &record);
    lwsn_loop_keep_awake(server->context, true); /* nothing else may be left that does */
  }
  if (!server->released) return;
  leave_place(server->context, server);
  if (server->promised) lwsn_inbound_renounce(&server->context->inbound);
  lwsn_peers_free(&server->peers);
  lwsn_topics_free(&server->topics);
  lwsn_tls_context_unref(server->tls);
  free(server);
}

void lwsn_server_set_tls(lwsn_server *server, lwsn_tls_context *tls) {
  lwsn_tls_context_ref(tls);
  lwsn_tls_context_unref(server->tls);
  server->tls = tls;
}

static bool is_within(const lwsn_server *server, const lwsn_transport *t) {
  const lwsn_server_options *o = &server->options;
  if (o->max_connections > 0 && server->stats.transports - server->over_limit > o->max_connections) return false;
  return !t->counted || lwsn_peers_count(&server->peers, t->peer.address) <= o->max_connections_per_address;
}

void lwsn_server_apply_limits(lwsn_server *server, lwsn_transport *t) {
  if (!t->over_limit && is_within(server, t)) return;
  if (!t->over_limit) server->over_limit++;
  t->over_limit = true;
  lwsn_transport_uncount(t);
}
