/* The closing handshake from both sides: what goes over the wire, and what CLOSED says of it. */
#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "net/transports.h"
#include "out.h"
#include "wire.h"

static world w;
static peer *p;
static lwsn_handle handle;

static void begin_with(const lwsn_server_options *options) {
  world_begin(&w, options);
  w.accepts = true;
  p = wire_open(&w, &handle);
}

static void begin(void) { begin_with(NULL); }

static void end(void) { CHECK(world_end(&w)); }

static void expect_close_frame(unsigned code, const char *reason) {
  frame f;
  if (!CHECK_SOON(&w, wire_next(p, &f))) return;
  CHECK_INT(f.first, WIRE_CLOSE);
  CHECK_INT(wire_code(&f), code);
  size_t length = code ? 2 + strlen(reason) : 0;
  CHECK_INT(f.size, length);
  if (f.size == length && code) CHECK(memcmp(f.data + 2, reason, length - 2) == 0);
}

/* `reason` NULL: some sentence. */
static void expect_closed(unsigned code, const char *reason, bool clean) {
  if (!CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1)) return;
  const event *e = world_last_of(&w, LWSN_RECORD_CLOSED, handle);
  if (!CHECK(e != NULL)) return;
  CHECK_INT(e->detail, code);
  CHECK_INT(e->extra, clean);
  if (reason)
    CHECK_MSG(e->size == strlen(reason) && (e->size == 0 || memcmp(e->data, reason, e->size) == 0),
              "told \"%s\" instead of \"%s\"", e->data ? (char *)e->data : "", reason);
  else
    CHECK_MSG(e->size > 10, "no sentence says why");
  CHECK_INT(w.server->stats.connections, 0);
  CHECK_INT(w.server->stats.closed, 1);
}

static void a_close_frame_of_the_peer_is_echoed_and_TCP_ended(void) {
  begin();
  wire_close(p, 1001, "going away");
  expect_close_frame(1001, "going away");
  CHECK_SOON(&w, p->ended);
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSED), 0); /* TCP has not ended yet */
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSING), 1);
  peer_close(p);
  expect_closed(1001, "going away", true);
  end();
}

static void a_close_frame_without_a_code_is_answered_in_kind_and_told_as_1005(void) {
  begin();
  wire_close(p, 0, NULL);
  expect_close_frame(0, "");
  peer_close(p);
  expect_closed(1005, "", true);
  end();
}

static void every_code_that_may_be_sent_is_echoed(void) {
  static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                   1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    begin();
    wire_close(p, codes[i], NULL);
    expect_close_frame(codes[i], "");
    peer_close(p);
    expect_closed(codes[i], "", true);
    end();
  }
}

static void a_close_frame_may_come_byte_by_byte(void) {
  uint8_t payload[125], bytes[150];
  payload[0] = 0x03;
  payload[1] = 0xe8;
  memset(payload + 2, 'r', 123);
  char reason[124];
  memset(reason, 'r', 123);
  reason[123] = 0;
  begin();
  CHECK(peer_drip(p, bytes, wire_frame(bytes, WIRE_CLOSE, payload, 125), 1));
  expect_close_frame(1000, reason);
  peer_close(p);
  expect_closed(1000, reason, true);
  end();
}

static void our_close_frame_carries_code_and_reason_and_waits_for_the_answer(void) {
  begin();
  out_close(&w, handle, 4000, "that is all");
  expect_close_frame(4000, "that is all");
  world_run(&w, 20);
  CHECK(!p->ended);
  wire_close(p, 4000, "fine");
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  expect_closed(4000, "fine", true);
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSING), 0); /* the other side knows: it closed */
  end();
}

static void we_may_close_without_a_code(void) {
  begin();
  out_close(&w, handle, 0, NULL);
  expect_close_frame(0, "");
  wire_close(p, 0, NULL);
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  expect_closed(1005, "", true);
  end();
}

static void both_may_close_at_the_same_time(void) {
  begin();
  wire_close(p, 4001, "mine");
  out_close(&w, handle, 4002, "yours");
  expect_close_frame(4002, "yours");
  CHECK_SOON(&w, p->ended);
  CHECK_INT(peer_waiting(p), 0);
  peer_close(p);
  expect_closed(4001, "mine", true);
  end();
}

static void only_the_first_close_counts(void) {
  begin();
  out_close(&w, handle, 4000, "first");
  out_close(&w, handle, 4001, "second");
  expect_close_frame(4000, "first");
  out_close(&w, handle, 4002, "third");
  wire_close(p, 4000, NULL);
  CHECK_SOON(&w, p->ended);
  CHECK_INT(peer_waiting(p), 0);
  peer_close(p);
  expect_closed(4000, "", true);
  end();
}

static void nothing_is_sent_behind_our_close_frame(void) {
  begin();
  out_close(&w, handle, 1000, "bye");
  out_message(&w, handle, 1, "late", 4);
  out_ping(&w, handle, "late", 4);
  out_tell(&w, handle, LWSN_OUT_WANT_WRITABLE);
  CHECK(lwsn_outbound_send(w.context, handle, 1, (const uint8_t *)"late", 4) < 0);
  wire_send(p, WIRE_PING, "late", 4);
  expect_close_frame(1000, "bye");
  world_run(&w, 10);
  CHECK_INT(peer_waiting(p), 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  wire_close(p, 1000, NULL);
  peer_close(p);
  expect_closed(1000, "", true);
  end();
}

static void messages_of_the_peer_are_read_over_behind_our_close_frame(void) {
  static uint8_t data[1024 * 1024];
  begin();
  out_close(&w, handle, 1000, "bye");
  expect_close_frame(1000, "bye");
  wire_text(p, "too late");
  wire_send(p, 0x01, "half", 4);
  wire_send(p, WIRE_PONG, "too late", 8);
  wire_send(p, 0x80, data, sizeof data);
  wire_close(p, 1000, "done");
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  expect_closed(1000, "done", true);
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT) + world_told(&w, LWSN_RECORD_PONG), 0);
  end();
}

static void a_large_message_may_be_under_way_when_we_close(void) {
  enum { SIZE = 1024 * 1024, HALF = SIZE / 2, NEXT = 200 * 1024 };
  uint8_t *bytes = malloc(SIZE + WIRE_HEADER_MAX), *content = calloc(1, SIZE);
  begin();
  size_t n = wire_frame(bytes, WIRE_BINARY, content, SIZE);
  CHECK(peer_drip(p, bytes, HALF, HALF));
  out_close(&w, handle, 4001, "enough");
  expect_close_frame(4001, "enough");
  peer_send(p, bytes + HALF, n - HALF);
  for (size_t size = NEXT; size <= SIZE; size += NEXT) wire_send(p, WIRE_BINARY, content, size);
  wire_close(p, 4001, "enough");
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  expect_closed(4001, "enough", true);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  end();
  free(bytes);
  free(content);
}

static void messages_before_the_close_frame_of_the_peer_are_told_and_those_behind_it_are_not(void) {
  begin();
  wire_text(p, "before");
  wire_close(p, 1000, NULL);
  wire_text(p, "behind");
  wire_close(p, 4000, "behind");
  peer_finish(p);
  expect_closed(1000, "", true);
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), 1);
  CHECK_BYTES(world_last(&w, LWSN_RECORD_TEXT)->data, world_last(&w, LWSN_RECORD_TEXT)->size, "before");
  end();
}

/* Fills the socket of a peer that does not read. */
static void fill_queue(size_t size) {
  static uint8_t data[16 * 1024 * 1024];
  peer_read(p, false);
  out_message(&w, handle, 2, data, size);
  CHECK(out_queued(&w, handle) > 0);
}

static void a_close_behind_queued_output_leaves_all_of_it_to_arrive_first(void) {
  enum { SIZE = 12 * 1024 * 1024 };
  begin();
  fill_queue(SIZE);
  out_message(&w, handle, 1, "last", 4);
  out_close(&w, handle, 1000, "and out");
  world_run(&w, 10);
  peer_read(p, true);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.size, SIZE);
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "last");
  expect_close_frame(1000, "and out");
  CHECK(!p->ended);
  wire_close(p, 1000, NULL);
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  expect_closed(1000, "", true);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  end();
}

static void a_close_of_the_peer_leaves_queued_output_to_arrive_first(void) {
  enum { SIZE = 12 * 1024 * 1024 };
  begin();
  fill_queue(SIZE);
  wire_close(p, 1000, "enough");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSING) == 1);
  peer_read(p, true);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.size, SIZE);
  expect_close_frame(1000, "enough");
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  expect_closed(1000, "enough", true);
  end();
}

static void closeTimeout_begins_when_the_last_byte_has_left(void) {
  enum { SIZE = 16 * 1024 * 1024, STEP = 512 * 1024 };
  lwsn_server_options options = world_options();
  options.close_timeout = 1000;
  begin_with(&options);
  fill_queue(SIZE);
  out_close(&w, handle, 1000, "slowly");
  for (int i = 0; i < 15; i++) {
    size_t until = peer_waiting(p) + STEP;
    peer_read(p, true);
    CHECK_SOON(&w, peer_waiting(p) >= until);
    peer_read(p, false);
    world_pass(&w, 200);
  }
  CHECK(out_queued(&w, handle) > 0);
  peer_read(p, true);
  CHECK_SOON(&w, out_queued(&w, handle) == 0);
  CHECK_AFTER(&w, 1000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  frame f;
  CHECK(wire_next(p, &f) && f.size == SIZE);
  expect_close_frame(1000, "slowly");
  end();
}

static void a_peer_that_takes_nothing_is_dropped_after_closeTimeout(void) {
  lwsn_server_options options = world_options();
  options.close_timeout = 1000;
  begin_with(&options);
  fill_queue(16 * 1024 * 1024);
  out_close(&w, handle, 1000, "bye");
  lwsn_outbound_flush(w.context);
  CHECK_AFTER(&w, 1000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  expect_closed(1006, NULL, false);
  end();
}

static void a_handler_that_blocked_takes_no_time_from_the_peer(void) {
  lwsn_server_options options = world_options();
  options.close_timeout = 1000;
  begin_with(&options);
  clock_advance(5000);
  out_close(&w, handle, 1000, "bye");
  lwsn_outbound_flush(w.context);
  expect_close_frame(1000, "bye");
  CHECK_AFTER(&w, 1000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  end();
}

typedef enum ending { CLOSES, ENDS, RESETS, IS_SILENT } ending;

/* What CLOSED says for every way two sides can end. */
static void clean_means_close_frames_both_ways_and_TCP_ended_in_order(void) {
  static const struct {
    bool we_close, peer_closes;
    ending then;
    unsigned code;
    bool clean;
  } cases[] = {
      {false, false, ENDS, 1006, false},  {false, false, RESETS, 1006, false},   {false, true, ENDS, 4100, true},
      {false, true, RESETS, 4100, false}, {false, true, IS_SILENT, 4100, false}, {true, false, ENDS, 1006, false},
      {true, false, RESETS, 1006, false}, {true, false, IS_SILENT, 1006, false}, {true, true, ENDS, 4100, true},
      {true, true, CLOSES, 4100, true},   {true, true, RESETS, 4100, false},     {true, true, IS_SILENT, 4100, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lwsn_server_options options = world_options();
    options.close_timeout = 5000;
    begin_with(&options);
    if (cases[i].we_close) {
      out_close(&w, handle, 4000, "");
      expect_close_frame(4000, "");
    }
    if (cases[i].peer_closes) wire_close(p, 4100, "peer");
    if (cases[i].peer_closes) CHECK_SOON(&w, p->ended);
    if (cases[i].then == CLOSES) peer_close(p);
    if (cases[i].then == ENDS) peer_finish(p);
    if (cases[i].then == RESETS) peer_reset(p);
    if (cases[i].then == IS_SILENT) CHECK_AFTER(&w, 5000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
    expect_closed(cases[i].code, cases[i].peer_closes ? "peer" : NULL, cases[i].clean);
    end();
  }
}

static void terminating_is_1006_and_ends_TCP_at_once(void) {
  begin();
  out_message(&w, handle, 1, "sent before", 11);
  out_tell(&w, handle, LWSN_OUT_TERMINATE);
  out_message(&w, handle, 1, "never sent", 10);
  out_close(&w, handle, 1000, "never sent");
  expect_closed(1006, NULL, false);
  CHECK_SOON(&w, p->ended || p->error);
  frame f;
  CHECK(wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "sent before");
  CHECK_INT(peer_waiting(p), 0);
  end();
}

static void terminating_ends_a_handshake_that_is_under_way(void) {
  begin();
  out_close(&w, handle, 1000, "bye");
  expect_close_frame(1000, "bye");
  out_tell(&w, handle, LWSN_OUT_TERMINATE);
  expect_closed(1006, NULL, false);
  end();
}

static void killing_all_transports_of_a_server_closes_its_connections_with_1006(void) {
  begin();
  wire_open(&w, NULL);
  wire_open(&w, NULL);
  lwsn_server_kill_all(w.server);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 3);
  CHECK_INT(w.server->stats.transports, 0);
  end();
}

int main(void) {
  a_close_frame_of_the_peer_is_echoed_and_TCP_ended();
  a_close_frame_without_a_code_is_answered_in_kind_and_told_as_1005();
  every_code_that_may_be_sent_is_echoed();
  a_close_frame_may_come_byte_by_byte();
  our_close_frame_carries_code_and_reason_and_waits_for_the_answer();
  we_may_close_without_a_code();
  both_may_close_at_the_same_time();
  only_the_first_close_counts();
  nothing_is_sent_behind_our_close_frame();
  messages_of_the_peer_are_read_over_behind_our_close_frame();
  a_large_message_may_be_under_way_when_we_close();
  messages_before_the_close_frame_of_the_peer_are_told_and_those_behind_it_are_not();
  a_close_behind_queued_output_leaves_all_of_it_to_arrive_first();
  a_close_of_the_peer_leaves_queued_output_to_arrive_first();
  closeTimeout_begins_when_the_last_byte_has_left();
  a_peer_that_takes_nothing_is_dropped_after_closeTimeout();
  a_handler_that_blocked_takes_no_time_from_the_peer();
  clean_means_close_frames_both_ways_and_TCP_ended_in_order();
  terminating_is_1006_and_ends_TCP_at_once();
  terminating_ends_a_handshake_that_is_under_way();
  killing_all_transports_of_a_server_closes_its_connections_with_1006();
  return check_report();
}
