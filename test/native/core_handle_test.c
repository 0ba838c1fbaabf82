/* Slots and generations: what a handle reaches after its transport died. */
#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

static world w;

static void begin(void) {
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
}

static void end(void) { CHECK(world_end(&w)); }

static bool same(lwsn_handle a, lwsn_handle b) { return a.slot == b.slot && a.generation == b.generation; }

/* A connection that came and went. */
static lwsn_handle dead(void) {
  lwsn_handle handle;
  unsigned long closed = world_told(&w, LWSN_RECORD_CLOSED);
  peer_close(wire_open(&w, &handle));
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == closed + 1);
  return handle;
}

/* Everything the other side can ask for. */
static void ask_everything_of(lwsn_handle handle) {
  static const lwsn_out_kind kinds[] = {LWSN_OUT_PAUSE, LWSN_OUT_WANT_WRITABLE, LWSN_OUT_TERMINATE};
  out_message(&w, handle, 1, "not for you", 11);
  out_ping(&w, handle, "nor this", 8);
  out_raw(&w, handle, "nor that");
  out_accept(&w, handle, "X-Wrong: 1\r\n", 0);
  out_end(&w, handle, false);
  out_close(&w, handle, 4999, "wrong one");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) out_tell(&w, handle, kinds[i]);
  CHECK(lwsn_outbound_send(w.context, handle, 1, (const uint8_t *)"no", 2) < 0);
  CHECK(lwsn_outbound_send(w.context, handle, LWSN_OPCODE_RAW, (const uint8_t *)"no", 2) < 0);
}

static void a_slot_is_used_again_with_a_higher_generation(void) {
  begin();
  lwsn_handle first = dead();
  for (int i = 1; i < 50; i++) {
    lwsn_handle next = dead();
    CHECK_INT(next.slot, first.slot);
    CHECK_INT(next.generation, first.generation + (uint32_t)i);
  }
  end();
}

static void a_stale_handle_never_reaches_the_next_connection_of_its_slot(void) {
  begin();
  lwsn_handle stale = dead(), handle;
  peer *p = wire_open(&w, &handle);
  CHECK_INT(handle.slot, stale.slot);
  CHECK(!same(handle, stale));
  ask_everything_of(stale);
  world_run(&w, 5);
  CHECK_INT(peer_waiting(p), 0);
  wire_text(p, "unharmed");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "unharmed");
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  end();
}

/* An upgrade that nobody has decided about yet, in the slot of a dead handle. */
static peer *asks_in_slot_of(lwsn_handle stale) {
  lwsn_handle next = {stale.slot, stale.generation + 1};
  w.accepts = false;
  peer *p = peer_open(&w);
  peer_say(p, WIRE_UPGRADE);
  CHECK_SOON(&w, world_last_of(&w, LWSN_RECORD_REQUEST, next) != NULL);
  return p;
}

static double handed(lwsn_handle handle) { return *lwsn_registry_handed(&w.context->services.registry, handle.slot); }

static void a_flush_forgets_what_was_handed_to_a_dead_connection(void) {
  begin();
  lwsn_handle stale = dead();
  out_message(&w, stale, 1, "too late", 8);
  CHECK_INT(handed(stale), 8);
  lwsn_outbound_flush(w.context);
  CHECK_INT(handed(stale), 0);
  end();
}

static void a_slot_begins_with_nothing_handed_over(void) {
  begin();
  lwsn_handle stale = dead();
  *lwsn_registry_handed(&w.context->services.registry, stale.slot) = 8;
  asks_in_slot_of(stale);
  CHECK_INT(handed(stale), 0);
  end();
}

static void a_stale_handle_never_decides_the_next_upgrade_of_its_slot(void) {
  begin();
  lwsn_handle stale = dead();
  peer *p = asks_in_slot_of(stale);
  lwsn_handle handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  ask_everything_of(stale);
  world_run(&w, 5);
  CHECK_INT(peer_waiting(p), 0);
  out_accept(&w, handle, NULL, 0);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 101);
  CHECK(!wire_has(&r, "X-Wrong: 1"));
  end();
}

static void handles_that_never_were_are_ignored(void) {
  begin();
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  ask_everything_of((lwsn_handle){handle.slot, handle.generation + 1});
  ask_everything_of((lwsn_handle){handle.slot, 0});
  ask_everything_of((lwsn_handle){handle.slot + 1, 1});
  ask_everything_of((lwsn_handle){w.context->services.registry.capacity, 1});
  ask_everything_of((lwsn_handle){UINT32_MAX, UINT32_MAX});
  wire_text(p, "unharmed");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "unharmed");
  end();
}

static void a_dead_handle_in_the_same_flush_is_skipped_and_the_others_are_not(void) {
  begin();
  lwsn_handle stale = dead(), one, two;
  peer *first = wire_open(&w, &one), *second = wire_open(&w, &two);
  for (int i = 0; i < 50; i++) {
    out_message(&w, one, 1, "one", 3);
    out_message(&w, stale, 1, "none", 4);
    out_message(&w, two, 1, "two", 3);
  }
  for (int i = 0; i < 50; i++) {
    frame f;
    CHECK_SOON(&w, wire_next(first, &f));
    CHECK_BYTES(f.data, f.size, "one");
    CHECK_SOON(&w, wire_next(second, &f));
    CHECK_BYTES(f.data, f.size, "two");
  }
  end();
}

static void what_follows_a_terminate_in_one_flush_is_for_nobody(void) {
  begin();
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  out_tell(&w, handle, LWSN_OUT_TERMINATE);
  ask_everything_of(handle);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_SOON(&w, p->ended || p->error);
  CHECK_INT(peer_waiting(p), 0);
  end();
}

/* A new connection must not get a slot whose CLOSED has not been told yet. */
static void a_slot_rests_until_its_last_record_was_told(void) {
  begin();
  lwsn_handle handles[20];
  peer *peers[20];
  for (int i = 0; i < 20; i++) peers[i] = wire_open(&w, &handles[i]);
  for (int round = 0; round < 30; round++) {
    for (int i = 0; i < 20; i++) peer_reset(peers[i]);
    for (int i = 0; i < 20; i++) {
      peers[i] = peer_open(&w);
      peer_say(peers[i], WIRE_UPGRADE);
    }
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_OPEN) == 20u * (unsigned)(round + 2));
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 20u * (unsigned)(round + 1));
  }
  CHECK(w.context->services.registry.used <= 60);
  end(); /* which fails if life.c saw a record of an old tenant behind one of a new */
}

static void slots_of_transports_that_told_nothing_are_used_again(void) {
  begin();
  for (int i = 0; i < 200; i++) {
    peer *p = peer_open(&w);
    CHECK_SOON(&w, w.server->stats.accepted == (unsigned)i + 1);
    peer_reset(p);
    CHECK_SOON(&w, w.server->stats.transports == 0);
  }
  CHECK_INT(w.batches, 0);
  CHECK_MSG(w.context->services.registry.used <= 4, "%u slots were used by one transport after the other",
            w.context->services.registry.used);
  end();
}

static void the_queue_of_a_dead_handle_is_published_as_empty(void) {
  static uint8_t data[8 * 1024 * 1024];
  begin();
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  peer_read(p, false);
  out_message(&w, handle, 2, data, sizeof data);
  CHECK(out_queued(&w, handle) > 0);
  peer_reset(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(out_queued(&w, handle), 0);
  end();
}

int main(void) {
  a_slot_is_used_again_with_a_higher_generation();
  a_stale_handle_never_reaches_the_next_connection_of_its_slot();
  a_flush_forgets_what_was_handed_to_a_dead_connection();
  a_slot_begins_with_nothing_handed_over();
  a_stale_handle_never_decides_the_next_upgrade_of_its_slot();
  handles_that_never_were_are_ignored();
  a_dead_handle_in_the_same_flush_is_skipped_and_the_others_are_not();
  what_follows_a_terminate_in_one_flush_is_for_nobody();
  a_slot_rests_until_its_last_record_was_told();
  slots_of_transports_that_told_nothing_are_used_again();
  the_queue_of_a_dead_handle_is_published_as_empty();
  return check_report();
}
