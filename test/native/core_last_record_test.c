/*
 * The last record of each transport and server comes even where no memory is left, in its order; and an event that
 * cannot be told ends its transport instead of the process.
 */
#include <stdlib.h>

#include "check.h"
#include "failing.h"
#include "lws/door.h"
#include "net/send.h"
#include "net/transport.h"
#include "net/transports.h"
#include "out.h"
#include "wire.h"

enum { LIVES = 700 }; /* more than the overflow holds at first */

static lwsn_record record_of(uint32_t kind, uint32_t number) {
  return (lwsn_record){.kind = kind, .slab = -1, .detail = number};
}

/* Reads a batch; the number after the last one. */
static uint32_t read_batch(lwsn_inbound *in, uint32_t next) {
  const lwsn_record *records = (const lwsn_record *)in->ring->data;
  for (uint32_t i = 0; i < in->count; i++) CHECK_INT(records[i].detail, next++);
  lwsn_inbound_deliver(in);
  lwsn_inbound_settle(in);
  return next;
}

static void promised_records_have_room_when_nothing_else_has(void) {
  lwsn_inbound in;
  CHECK(lwsn_inbound_init(&in));
  for (int i = 0; i < LIVES; i++) CHECK(lwsn_inbound_promise(&in));
  world_in_core = true;
  failing_begin(1, true);
  uint32_t pushed = 0;
  for (;; pushed++) {
    lwsn_record record = record_of(LWSN_RECORD_WRITABLE, pushed);
    if (!lwsn_inbound_push(&in, &record)) break;
  }
  CHECK_MSG(pushed >= LWSN_RING_RECORDS, "only %u records had room", pushed);
  CHECK(!lwsn_inbound_promise(&in));
  for (uint32_t i = 0; i < LIVES; i++) {
    lwsn_record record = record_of(LWSN_RECORD_CLOSED, pushed + i);
    lwsn_inbound_push_last(&in, &record);
  }
  CHECK(failing_end());
  world_in_core = false;
  CHECK_INT(in.promised, 0);
  uint32_t next = 0;
  while (in.count > 0) next = read_batch(&in, next);
  CHECK_INT(next, pushed + LIVES);
  lwsn_inbound_free(&in);
}

static void a_renounced_promise_leaves_its_room(void) {
  lwsn_inbound in;
  CHECK(lwsn_inbound_init(&in));
  for (int i = 0; i < LIVES * 10; i++) {
    CHECK(lwsn_inbound_promise(&in));
    lwsn_inbound_renounce(&in);
  }
  CHECK_INT(in.promised, 0);
  CHECK(in.overflow_capacity <= 256);
  lwsn_inbound_free(&in);
}

/* At the first message, inside the batch, everybody is killed and no allocation works. */
static void kill_all_without_memory(world *w, const event *e) {
  if (e->kind != LWSN_RECORD_TEXT || w->user) return;
  w->user = w;
  world_in_core = true;
  failing_begin(1, true);
  lwsn_server_kill_all(w->server);
  lwsn_transport_reap(&w->context->services);
  failing_end();
  world_in_core = false;
}

static void every_end_inside_a_batch_is_told_without_memory(void) {
  int lives = world_is_slow() ? 300 : LIVES;
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = NULL;
  for (int i = 0; i < lives; i++) p = wire_open(&w, NULL);
  for (int i = 0; i < 20; i++) peer_say(peer_open(&w), WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == (unsigned long)lives + 20);
  CHECK_INT(w.context->services.inbound.promised, lives + 20 + 1);
  w.react = kill_all_without_memory;
  wire_text(p, "now");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == (unsigned long)lives);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 20);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1006);
  CHECK_INT(w.context->services.inbound.promised, 1);
  CHECK(world_end(&w));
}

/* A peer that does not read has made the queue; in the batch it runs empty, and WRITABLE has no room. */
static void fill_the_overflow(world *w, const event *e) {
  if (e->kind != LWSN_RECORD_TEXT || w->user) return;
  w->user = w;
  lwsn_inbound *in = &w->context->services.inbound;
  lwsn_record record = record_of(LWSN_RECORD_LISTENER, 0);
  world_in_core = true;
  failing_begin(1, true);
  while (lwsn_inbound_push(in, &record)) continue;
  lwsn_transport *t = lwsn_registry_get(&w->context->services.registry, e->handle);
  t->wants_writable = true;
  lwsn_send_pending(t);
  CHECK(t->doomed);
  lwsn_transport_reap(&w->context->services);
  failing_end();
  world_in_core = false;
}

static void an_event_without_room_ends_its_connection_and_says_so(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  peer *other = wire_open(&w, NULL);
  w.react = fill_the_overflow;
  wire_text(p, "now");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  const event *e = world_last(&w, LWSN_RECORD_CLOSED);
  CHECK_INT(e->detail, 1006);
  /* its words may have had no memory either */
  CHECK(e->size == 0 || strcmp((const char *)e->data, "no memory to tell an event") == 0);
  wire_text(other, "still here");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 2);
  CHECK(world_end(&w));
}

static void a_draining_server_tells_EMPTY_without_memory(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  wire_open(&w, NULL);
  lwsn_server_drain(w.server);
  world_in_core = true;
  failing_begin(1, true);
  lwsn_record record = record_of(LWSN_RECORD_LISTENER, 0);
  while (lwsn_inbound_push(&w.context->services.inbound, &record)) continue;
  lwsn_server_kill_all(w.server);
  lwsn_transport_reap(&w.context->services);
  CHECK(failing_end());
  world_in_core = false;
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_EMPTY) == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSED), 1);
  lwsn_server_drain(w.server);
  world_run(&w, 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_EMPTY), 1);
  CHECK_INT(w.context->services.inbound.promised, 0);
  CHECK(world_end(&w));
}

int main(void) {
  lwsn_door_silence();
  promised_records_have_room_when_nothing_else_has();
  a_renounced_promise_leaves_its_room();
  every_end_inside_a_batch_is_told_without_memory();
  an_event_without_room_ends_its_connection_and_says_so();
  a_draining_server_tells_EMPTY_without_memory();
  return check_report();
}
