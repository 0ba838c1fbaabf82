/* Pings of our own, the idle timeout, and what they cost. */
#include "check.h"
#include "clock.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

static world w;
static peer *p;
static lwsn_handle handle;

static void begin(uint32_t ping_interval, uint32_t idle_timeout) {
  lwsn_server_options options = world_options();
  options.ping_interval = ping_interval;
  options.idle_timeout = idle_timeout;
  world_begin(&w, &options);
  w.accepts = true;
  p = wire_open(&w, &handle);
}

static void end(void) { CHECK(world_end(&w)); }

/* Takes the pings that came. */
static int pings(void) {
  int count = 0;
  frame f;
  while (wire_next(p, &f)) {
    CHECK_INT(f.first, WIRE_PING);
    CHECK_INT(f.size, 0);
    count++;
  }
  return count;
}

static bool closed(void) { return world_told(&w, LWSN_RECORD_CLOSED) == 1; }

static void a_silent_peer_is_pinged_once_and_dropped_after_idleTimeout(void) {
  begin(1000, 4000);
  CHECK_AFTER(&w, 1000, pings() == 1);
  world_pass(&w, 3000 - 2 * LWSN_WHEEL_TICK_MS); /* the ping may have been late by a tick, and its end is by another */
  CHECK(!closed());
  world_pass(&w, 4 * LWSN_WHEEL_TICK_MS);
  if (!CHECK(closed())) return;
  CHECK_INT(pings(), 0);
  const event *e = world_last(&w, LWSN_RECORD_CLOSED);
  CHECK_INT(e->detail, 1006);
  CHECK_BYTES(e->data, e->size, "nothing came from the peer for idleTimeout");
  CHECK_SOON(&w, p->ended || p->error);
  end();
}

static void a_peer_that_answers_pings_is_pinged_again_and_lives_on(void) {
  begin(1000, 2500);
  for (int i = 0; i < 20; i++) {
    CHECK_AFTER(&w, 1000, pings() == 1);
    wire_send(p, WIRE_PONG, "", 0);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_PONG) == (unsigned)i + 1);
  }
  CHECK(!closed());
  end();
}

static void any_input_counts_and_a_talkative_peer_is_not_pinged(void) {
  begin(1000, 1500);
  for (unsigned i = 0; i < 20; i++) {
    world_pass(&w, 900);
    wire_text(p, "x");
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == i + 1);
  }
  CHECK_INT(pings(), 0);
  CHECK(!closed());
  CHECK(peer_drip(p, "\x81", 1, 1)); /* also half a header */
  world_pass(&w, 990);
  CHECK_INT(pings(), 0);
  end();
}

static void without_pings_only_idleTimeout_counts(void) {
  begin(0, 1000);
  CHECK_AFTER(&w, 1000, closed());
  CHECK_INT(pings(), 0);
  end();
}

static void without_idleTimeout_a_peer_may_be_silent_for_ever_and_is_pinged_once(void) {
  begin(1000, 0);
  world_pass(&w, 100000);
  CHECK_INT(pings(), 1);
  CHECK(!closed());
  wire_send(p, WIRE_PONG, "", 0);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_PONG) == 1);
  world_pass(&w, 3000);
  CHECK_INT(pings(), 1); /* and again after it was heard of */
  end();
}

static void without_both_nothing_ever_wakes_the_loop(void) {
  begin(0, 0);
  world_run(&w, 20);
  unsigned long turns = w.turns;
  world_run(&w, 100);
  CHECK_MSG(w.turns - turns < 5, "%lu turns of an idle loop", w.turns - turns);
  CHECK_INT(w.context->services.wheel.armed, 0);
  world_pass(&w, 1000000);
  CHECK_INT(pings(), 0);
  CHECK(!closed());
  end();
}

static void far_timers_of_many_connections_do_not_wake_the_loop(void) {
  begin(30000, 120000);
  for (int i = 0; i < 50; i++) wire_open(&w, NULL);
  clock_run();
  world_run(&w, 20);
  unsigned long turns = w.turns;
  world_run(&w, 150);
  CHECK_MSG(w.turns - turns < 20, "%lu turns of an idle loop", w.turns - turns);
  end();
}

static void the_loop_wakes_by_itself_when_a_timer_is_due(void) {
  begin(0, 100);
  uint64_t start = clock_now();
  clock_run();
  CHECK_SOON(&w, closed());
  CHECK(clock_now() - start >= 100);
  end();
}

static void the_silence_of_a_peer_whose_input_we_hold_does_not_count(void) {
  begin(0, 1000);
  out_tell(&w, handle, LWSN_OUT_PAUSE);
  world_pass(&w, 3500);
  CHECK(!closed());
  out_tell(&w, handle, LWSN_OUT_RESUME);
  lwsn_outbound_flush(w.context);
  CHECK_AFTER(&w, 1000, closed());
  end();
}

static void a_paused_connection_whose_peer_left_behind_unread_bytes_is_dropped_after_idleTimeout(void) {
  begin(0, 1000);
  out_tell(&w, handle, LWSN_OUT_PAUSE);
  lwsn_outbound_flush(w.context);
  wire_text(p, "unread");
  peer_finish(p);
  world_run(&w, 5);
  CHECK_AFTER(&w, 1000, closed());
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1006);
  end();
}

static void idleTimeout_also_ends_a_peer_that_neither_reads_nor_speaks(void) {
  static uint8_t data[8 * 1024 * 1024];
  begin(1000, 5000);
  peer_read(p, false);
  out_message(&w, handle, 2, data, sizeof data);
  /* its kernel takes what it has room for, which is no sign of it but looks like one */
  double waits;
  do {
    waits = out_queued(&w, handle);
    world_run(&w, 50);
  } while (out_queued(&w, handle) < waits);
  CHECK(waits > 0);
  world_pass(&w, 4900);
  CHECK(!closed() && out_queued(&w, handle) <= waits); /* no pings pile up */
  /* what its kernel took at the beginning was noticed at the first look: after pingInterval, and a step of this pass */
  world_pass(&w, 1200);
  CHECK(closed());
  end();
}

static void what_lies_in_the_socket_counts_although_a_handler_blocked_the_loop(void) {
  begin(0, 1000);
  wire_send(p, WIRE_PONG, "x", 1);
  clock_advance(5000);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_PONG) == 1);
  CHECK_AFTER(&w, 1000, closed());
  end();
}

static void closing_stops_pings_and_the_idle_timer(void) {
  begin(500, 1000);
  out_close(&w, handle, 1000, NULL);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.first, WIRE_CLOSE);
  world_pass(&w, 5000);
  CHECK_INT(pings(), 0);
  CHECK(!closed()); /* closeTimeout is what counts now */
  wire_close(p, 1000, NULL);
  peer_finish(p);
  CHECK_SOON(&w, closed());
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->extra, 1);
  end();
}

static void destroying_with_every_timer_armed_leaves_none(void) {
  begin(1000, 2000);
  peer_open(&w);
  peer *head = peer_open(&w);
  CHECK(peer_drip(head, "GET", 3, 3));
  wire_close(wire_open(&w, NULL), 1000, NULL);
  world_run(&w, 2);
  CHECK_INT(w.context->services.wheel.armed, 4);
  end();
}

static unsigned long turns_in(world *w, unsigned ms) {
  unsigned long before = w->turns;
  world_run(w, ms);
  return w->turns - before;
}

static void busy_poll_keeps_the_loop_awake_for_its_time_after_input_and_no_longer(void) {
  world w;
  lwsn_server_options options = world_options();
  options.busy_poll = 5000;
  world_begin(&w, &options);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  world_pass(&w, 20);
  CHECK(turns_in(&w, 20) < 10);
  wire_text(p, "quick");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  CHECK(turns_in(&w, 20) > 20);
  world_pass(&w, 3);
  CHECK(turns_in(&w, 20) > 20);
  world_pass(&w, 3);
  CHECK(turns_in(&w, 20) < 10);
  CHECK(world_end(&w));
}

int main(void) {
  busy_poll_keeps_the_loop_awake_for_its_time_after_input_and_no_longer();
  a_silent_peer_is_pinged_once_and_dropped_after_idleTimeout();
  a_peer_that_answers_pings_is_pinged_again_and_lives_on();
  any_input_counts_and_a_talkative_peer_is_not_pinged();
  without_pings_only_idleTimeout_counts();
  without_idleTimeout_a_peer_may_be_silent_for_ever_and_is_pinged_once();
  without_both_nothing_ever_wakes_the_loop();
  far_timers_of_many_connections_do_not_wake_the_loop();
  the_loop_wakes_by_itself_when_a_timer_is_due();
  the_silence_of_a_peer_whose_input_we_hold_does_not_count();
  a_paused_connection_whose_peer_left_behind_unread_bytes_is_dropped_after_idleTimeout();
  idleTimeout_also_ends_a_peer_that_neither_reads_nor_speaks();
  what_lies_in_the_socket_counts_although_a_handler_blocked_the_loop();
  closing_stops_pings_and_the_idle_timer();
  destroying_with_every_timer_armed_leaves_none();
  return check_report();
}
