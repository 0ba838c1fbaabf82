/* pause and resume: nothing is told meanwhile, nothing is lost, nothing grows, nothing spins. */
#include <malloc.h>
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

static world w;
static peer *p;
static lwsn_handle handle;

static void begin(void) {
  world_begin(&w, NULL);
  w.accepts = true;
  p = wire_open(&w, &handle);
}

static void end(void) { CHECK(world_end(&w)); }

static void tell_now(lwsn_out_kind kind) {
  out_tell(&w, handle, kind);
  lwsn_outbound_flush(w.context);
}

static void send_numbers(uint32_t from, uint32_t to) {
  uint8_t *bytes = malloc((size_t)(to - from) * 10);
  size_t n = 0;
  for (uint32_t i = from; i < to; i++) n += wire_frame(bytes + n, WIRE_BINARY, &i, sizeof i);
  peer_send(p, bytes, n);
  free(bytes);
}

static void expect_numbers(uint32_t count) {
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == count);
  uint32_t next = 0;
  bool right = true;
  for (size_t i = 0; i < w.event_count; i++) {
    if (w.events[i].kind != LWSN_RECORD_BINARY) continue;
    right = right && w.events[i].size == 4 && memcmp(w.events[i].data, &next, 4) == 0;
    next++;
  }
  CHECK_MSG(right && next == count, "the messages are not 0..%u in order", count - 1);
}

static void nothing_is_told_while_paused_and_all_of_it_afterwards(void) {
  begin();
  tell_now(LWSN_OUT_PAUSE);
  send_numbers(0, 100);
  world_run(&w, 20);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  tell_now(LWSN_OUT_RESUME);
  expect_numbers(100);
  end();
}

/* Pauses at the first message of each batch. */
static void pause_each(world *world, const event *e) {
  if (e->kind == LWSN_RECORD_BINARY) out_tell(world, e->handle, LWSN_OUT_PAUSE);
}

static void pausing_in_a_handler_keeps_what_was_read_already(void) {
  enum { COUNT = 20000 }; /* some batches worth, so that a backlog is left */
  begin();
  w.react = pause_each;
  send_numbers(0, COUNT);
  unsigned long told = 0;
  while (told < COUNT) {
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) > told);
    if (world_told(&w, LWSN_RECORD_BINARY) == told) break;
    told = world_told(&w, LWSN_RECORD_BINARY);
    world_run(&w, 2);
    CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), told);
    tell_now(LWSN_OUT_RESUME);
  }
  expect_numbers(COUNT);
  end();
}

static void pausing_before_the_first_message_keeps_frames_that_came_with_the_request(void) {
  world_begin(&w, NULL);
  p = peer_open(&w);
  peer_say(p, WIRE_UPGRADE);
  send_numbers(0, 10);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  out_accept(&w, handle, NULL, 0);
  tell_now(LWSN_OUT_PAUSE);
  world_run(&w, 10);
  CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  tell_now(LWSN_OUT_RESUME);
  expect_numbers(10);
  end();
}

static void pausing_and_resuming_twice_is_pausing_and_resuming(void) {
  begin();
  tell_now(LWSN_OUT_RESUME);
  tell_now(LWSN_OUT_PAUSE);
  tell_now(LWSN_OUT_PAUSE);
  send_numbers(0, 10);
  world_run(&w, 5);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  tell_now(LWSN_OUT_RESUME);
  tell_now(LWSN_OUT_RESUME);
  expect_numbers(10);
  end();
}

static void resuming_within_the_same_flush_leaves_no_trace(void) {
  begin();
  send_numbers(0, 50);
  out_tell(&w, handle, LWSN_OUT_PAUSE);
  out_tell(&w, handle, LWSN_OUT_RESUME);
  expect_numbers(50);
  end();
}

static void a_paused_connection_sleeps_and_takes_no_memory_whatever_is_sent(void) {
  enum { SIZE = 32 * 1024 * 1024 };
  begin();
  tell_now(LWSN_OUT_PAUSE);
  uint8_t *flood = calloc(1, SIZE);
  peer_send(p, flood, SIZE);
  free(flood);
  world_run(&w, 20);
  CHECK(p->out_size - p->out_done > 0);
  unsigned long turns = w.turns;
  size_t used = mallinfo2().uordblks;
  world_run(&w, 100);
  CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop while paused", w.turns - turns);
  CHECK(mallinfo2().uordblks <= used + 1024);
  end();
}

static void a_paused_connection_still_sends(void) {
  begin();
  tell_now(LWSN_OUT_PAUSE);
  out_message(&w, handle, 1, "to you", 6);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "to you");
  end();
}

static void closing_a_paused_connection_sees_the_answer_behind_what_was_held(void) {
  begin();
  tell_now(LWSN_OUT_PAUSE);
  send_numbers(0, 1000);
  world_run(&w, 5);
  out_close(&w, handle, 1000, "enough");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(wire_code(&f), 1000);
  wire_close(p, 1000, "fine");
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  const event *e = world_last(&w, LWSN_RECORD_CLOSED);
  CHECK_INT(e->detail, 1000);
  CHECK_INT(e->extra, 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  end();
}

/* Closes at the first message, while more of them were read already. */
static void close_at_first(world *world, const event *e) {
  if (e->kind == LWSN_RECORD_BINARY) out_close(world, e->handle, 1000, NULL);
}

static void closing_in_a_handler_stops_the_messages_behind_this_batch(void) {
  enum { COUNT = 20000 };
  begin();
  w.react = close_at_first;
  send_numbers(0, COUNT);
  wire_close(p, 1000, NULL);
  peer_finish(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->extra, 1);
  CHECK(world_told(&w, LWSN_RECORD_BINARY) <= LWSN_RING_RECORDS);
  end();
}

static void terminating_a_paused_connection_drops_what_was_held(void) {
  begin();
  tell_now(LWSN_OUT_PAUSE);
  send_numbers(0, 1000);
  world_run(&w, 5);
  tell_now(LWSN_OUT_TERMINATE);
  tell_now(LWSN_OUT_RESUME);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  end();
}

static void a_close_frame_behind_held_messages_is_seen_after_resuming(void) {
  begin();
  tell_now(LWSN_OUT_PAUSE);
  send_numbers(0, 100);
  wire_close(p, 4000, "done");
  world_run(&w, 10);
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSING), 0);
  tell_now(LWSN_OUT_RESUME);
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 4000);
  expect_numbers(100);
  end();
}

int main(void) {
  nothing_is_told_while_paused_and_all_of_it_afterwards();
  pausing_in_a_handler_keeps_what_was_read_already();
  pausing_before_the_first_message_keeps_frames_that_came_with_the_request();
  pausing_and_resuming_twice_is_pausing_and_resuming();
  resuming_within_the_same_flush_leaves_no_trace();
  a_paused_connection_sleeps_and_takes_no_memory_whatever_is_sent();
  a_paused_connection_still_sends();
  closing_a_paused_connection_sees_the_answer_behind_what_was_held();
  closing_in_a_handler_stops_the_messages_behind_this_batch();
  terminating_a_paused_connection_drops_what_was_held();
  a_close_frame_behind_held_messages_is_seen_after_resuming();
  return check_report();
}
