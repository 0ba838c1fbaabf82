/* Ids of servers: none comes twice, however many servers there were, and records tell all of an id. */
#include "check.h"
#include "context/servers.h"
#include "net/transports.h"
#include "out.h"
#include "wire.h"

static uint64_t id_told(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

static void a_stale_id_names_no_later_server(void) {
  enum { MADE = 10000 };
  world w;
  world_begin_bare(&w);
  lwsn_server_options options = world_options();
  uint64_t last = 0, first = 0;
  for (int i = 0; i < MADE; i++) {
    lwsn_server *server = lwsn_server_create(&w.context->services, &options);
    if (i == 0) first = server->id;
    CHECK_MSG(server->id > last, "id %llu came after %llu", (unsigned long long)server->id, (unsigned long long)last);
    CHECK(i == 0 || lwsn_server_find(&w.context->services, first) == NULL);
    CHECK(lwsn_server_find(&w.context->services, last) == NULL);
    last = server->id;
    CHECK(lwsn_server_find(&w.context->services, last) == server);
    lwsn_server_release(server);
  }
  CHECK_INT(w.context->services.places_used, 1);
  CHECK(world_end(&w));
}

static void a_place_is_given_up_when_its_ids_are_used_up(void) {
  world w;
  world_begin_bare(&w);
  lwsn_server_options options = world_options();
  lwsn_server *a = lwsn_server_create(&w.context->services, &options),
              *b = lwsn_server_create(&w.context->services, &options);
  uint64_t of_b = b->id;
  lwsn_server_release(a);
  w.context->services.places[0].tenants = LWSN_SERVER_TENANTS - 1;
  a = lwsn_server_create(&w.context->services, &options);
  CHECK_INT(a->id, LWSN_SERVER_TENANTS << LWSN_SERVER_PLACE_BITS);
  CHECK(a->id <= (uint64_t)1 << 53);
  uint64_t of_a = a->id;
  lwsn_server_release(a);
  a = lwsn_server_create(&w.context->services, &options);
  CHECK_INT(a->id & 0xfffff, 2);
  CHECK(lwsn_server_find(&w.context->services, of_a) == NULL);
  CHECK(lwsn_server_find(&w.context->services, of_b) == b);
  lwsn_server_release(b);
  b = lwsn_server_create(&w.context->services, &options);
  CHECK_INT(b->id & 0xfffff, 1);
  CHECK_INT(w.context->services.places_used, 3);
  CHECK(world_end(&w));
}

static void unknown_ids_name_nobody(void) {
  world w;
  world_begin(&w, NULL);
  const uint64_t none[] = {0,         1, w.server->id + 1, w.server->id ^ (uint64_t)1 << 32, w.server->id | 0xfffff,
                           UINT64_MAX};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    CHECK(lwsn_server_find(&w.context->services, none[i]) == NULL);
  CHECK(world_end(&w));
}

static void records_tell_ids_above_32_bits(void) {
  world w;
  world_begin_bare(&w);
  lwsn_server_options options = world_options();
  lwsn_server_release(lwsn_server_create(&w.context->services, &options));
  w.context->services.places[0].tenants = LWSN_SERVER_TENANTS - 1;
  w.server = lwsn_server_create(&w.context->services, &options);
  uint64_t id = w.server->id;
  lwsn_listen_options where = {.host = "127.0.0.1", .backlog = 4};
  CHECK_INT(world_listen(&w, &where, &w.bound), 0);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  const event *e = world_last(&w, LWSN_RECORD_REQUEST);
  CHECK(id_told(e->extra, e->detail >> LWSN_REQUEST_SERVER) == id);
  CHECK_INT(e->detail & ((1u << LWSN_REQUEST_SERVER) - 1), LWSN_REQUEST_KEEP_ALIVE);
  out_response(&w, e->handle, "200 OK", "", false);
  lwsn_server_drain(w.server);
  peer_finish(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_EMPTY) == 1);
  e = world_last(&w, LWSN_RECORD_EMPTY);
  CHECK(id_told(e->extra, e->handle.slot) == id);
  CHECK(world_end(&w));
}

int main(void) {
  a_stale_id_names_no_later_server();
  a_place_is_given_up_when_its_ids_are_used_up();
  unknown_ids_name_nobody();
  records_tell_ids_above_32_bits();
  return check_report();
}
