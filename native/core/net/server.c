#include "net/server.h"

#include <stdlib.h>

#include "net/tls_context.h"

enum { PLACE_MASK = (1 << LWSN_SERVER_PLACE_BITS) - 1 };

static bool may_be_taken(const lwsn_place *place) { return !place->server && place->tenants < LWSN_SERVER_TENANTS; }

/* Gives a server the first free place; a client's connection is a server of one transport, so there may be many. */
static bool take_place(lwsn_services *s, lwsn_server *server) {
  uint32_t place = s->places_free;
  if (place == s->places_used) {
    if (s->places_used == s->places_capacity) {
      uint32_t capacity = s->places_capacity ? s->places_capacity * 2 : 16;
      lwsn_place *grown = capacity > PLACE_MASK + 1 ? NULL : realloc(s->places, capacity * sizeof *grown);
      if (!grown) return false;
      s->places = grown;
      s->places_capacity = capacity;
    }
    s->places[s->places_used++] = (lwsn_place){0};
  }
  s->places[place].server = server;
  server->id = ++s->places[place].tenants << LWSN_SERVER_PLACE_BITS | place;
  while (s->places_free < s->places_used && !may_be_taken(&s->places[s->places_free])) s->places_free++;
  return true;
}

static void leave_place(lwsn_services *s, const lwsn_server *server) {
  uint32_t place = server->id & PLACE_MASK;
  s->places[place].server = NULL;
  if (place < s->places_free && may_be_taken(&s->places[place])) s->places_free = place;
}

lwsn_server *lwsn_server_create(lwsn_services *services, const lwsn_server_options *options) {
  lwsn_server *server = calloc(1, sizeof *server);
  if (!server) return NULL;
  server->promised = lwsn_inbound_promise(&services->inbound);
  if (!server->promised || !take_place(services, server)) {
    if (server->promised) lwsn_inbound_renounce(&services->inbound);
    free(server);
    return NULL;
  }
  uint64_t seed;
  lwsn_door_random(services->door, &seed, sizeof seed);
  server->services = services;
  server->options = *options;
  server->referenced = true;
  lwsn_peers_init(&server->peers, seed);
  lwsn_list_init(&server->transports);
  lwsn_list_init(&server->in_member);
  return server;
}

lwsn_server *lwsn_server_find(lwsn_services *services, uint64_t id) {
  uint32_t place = id & PLACE_MASK;
  lwsn_server *server = place < services->places_used ? services->places[place].server : NULL;
  return server && server->id == id && !server->released ? server : NULL;
}

lwsn_record lwsn_server_record(const lwsn_server *server, lwsn_record_kind kind, uint32_t detail) {
  uint32_t low = (uint32_t)server->id, high = (uint32_t)(server->id >> 32);
  return (lwsn_record){.kind = kind, .slot = high, .slab = -1, .detail = detail, .extra = low};
}

void lwsn_server_settle(lwsn_server *server) {
  if (!lwsn_list_empty(&server->transports)) return;
  if (server->draining && server->promised && !server->services->destroying) {
    lwsn_record record = lwsn_server_record(server, LWSN_RECORD_EMPTY, 0);
    server->promised = false;
    lwsn_inbound_push_last(&server->services->inbound, &record);
    lwsn_loop_keep_awake(&server->services->loop, true); /* nothing else may be left that does */
  }
  if (!server->released) return;
  leave_place(server->services, server);
  if (server->promised) lwsn_inbound_renounce(&server->services->inbound);
  lwsn_peers_free(&server->peers);
  lwsn_tls_context_unref(server->tls);
  free(server);
}

void lwsn_server_set_tls(lwsn_server *server, lwsn_tls_context *tls) {
  lwsn_tls_context_ref(tls);
  lwsn_tls_context_unref(server->tls);
  server->tls = tls;
}
