/* The peer's end, by close frame, violation or FIN: its answer comes behind everything that was sent before it. */
#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

enum { STUCK = 12 * 1024 * 1024, CLOSE_TIMEOUT = 1000 };

static world w;
static peer *p;
static lwsn_handle handle;

static void begin(void) {
  lwsn_server_options options = world_options();
  options.close_timeout = CLOSE_TIMEOUT;
  world_begin(&w, &options);
  w.accepts = true;
  p = wire_open(&w, &handle);
}

static void end(void) { CHECK(world_end(&w)); }

static void answer(void) {
  out_tell(&w, handle, LWSN_OUT_ANSWER);
  lwsn_outbound_flush(w.context);
}

static unsigned long told(lwsn_record_kind kind) { return world_told(&w, kind); }

static void expect_text(const char *text) {
  frame f;
  if (CHECK_SOON(&w, wire_next(p, &f)))
    CHECK_MSG(f.size == strlen(text) && memcmp(f.data, text, f.size) == 0, "\"%s\" did not come", text);
}

/* `code` 0: FIN comes without a close frame. */
static void expect_end(unsigned code) {
  frame f;
  if (code && CHECK_SOON(&w, wire_next(p, &f))) {
    CHECK_INT(f.first, WIRE_CLOSE);
    CHECK_INT(wire_code(&f), code);
  }
  CHECK_SOON(&w, p->ended);
  CHECK_INT(peer_waiting(p), 0);
}

static void expect_closed(unsigned code, bool clean) {
  if (!CHECK_SOON(&w, told(LWSN_RECORD_CLOSED) == 1)) return;
  const event *e = world_last(&w, LWSN_RECORD_CLOSED);
  CHECK_INT(e->detail, code);
  CHECK_INT(e->extra, clean);
}

/* How a peer may end, and what it gets for it. */
typedef struct ending {
  bool closes, fails, ends;
  unsigned answer, told;
  bool clean;
} ending;

static const ending endings[] = {
    {.closes = true, .answer = 4000, .told = 4000, .clean = true},
    {.closes = true, .ends = true, .answer = 4000, .told = 4000, .clean = true},
    {.fails = true, .answer = 1002, .told = 1006},
    {.fails = true, .ends = true, .answer = 1002, .told = 1006},
    {.ends = true, .answer = 0, .told = 1006},
};

enum { ENDINGS = sizeof endings / sizeof *endings };

/* In one piece with `size` bytes before it. */
static void play(const ending *e, const uint8_t *before, size_t size) {
  static const uint8_t reserved[] = {0x83, 0x80, 0, 0, 0, 0};
  uint8_t code[2] = {4000 >> 8, 4000 & 0xff}, *bytes = malloc(size + 64);
  if (size > 0) memcpy(bytes, before, size);
  size_t n = size;
  if (e->closes) n += wire_frame(bytes + n, WIRE_CLOSE, code, sizeof code);
  if (e->fails) {
    memcpy(bytes + n, reserved, sizeof reserved);
    n += sizeof reserved;
  }
  peer_send(p, bytes, n);
  if (e->ends) peer_finish(p);
  free(bytes);
}

static size_t three_texts(uint8_t *to) {
  size_t n = wire_frame(to, WIRE_TEXT, "one", 3);
  n += wire_frame(to + n, WIRE_TEXT, "two", 3);
  return n + wire_frame(to + n, WIRE_TEXT, "three", 5);
}

static void answers_of_messages_before_the_end_go_out_before_its_answer(void) {
  uint8_t texts[64];
  size_t n = three_texts(texts);
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.echoes = true;
    play(&endings[i], texts, n);
    expect_text("one");
    expect_text("two");
    expect_text("three");
    expect_end(endings[i].answer);
    peer_close(p);
    expect_closed(endings[i].told, endings[i].clean);
    end();
  }
}

static unsigned long batch_of_text, batch_of_closing;

static void note_batches(world *world, const event *e) {
  if (e->kind == LWSN_RECORD_TEXT) batch_of_text = world->batches;
  if (e->kind == LWSN_RECORD_CLOSING) batch_of_closing = world->batches;
}

static void CLOSING_comes_in_the_batch_after_that_of_the_last_message(void) {
  uint8_t texts[64];
  size_t n = three_texts(texts);
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.react = note_batches;
    play(&endings[i], texts, n);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    CHECK_INT(batch_of_closing, batch_of_text + 1);
    end();
  }
}

static void CLOSING_comes_at_once_where_no_record_waits(void) {
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.react = note_batches;
    unsigned long before = w.batches;
    play(&endings[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    CHECK_INT(batch_of_closing, before + 1);
    end();
  }
}

static void more_messages_than_a_batch_holds_are_all_answered_before_the_end(void) {
  enum { COUNT = 3 * LWSN_RING_RECORDS };
  uint8_t *texts = malloc(COUNT * 16);
  size_t n = 0;
  for (unsigned i = 0; i < COUNT; i++) n += wire_frame(texts + n, WIRE_BINARY, &i, sizeof i);
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.echoes = true;
    if (endings[i].ends) { /* FIN must not overtake what the socket has not taken */
      ending rest = endings[i];
      rest.ends = false;
      play(&rest, texts, n);
      CHECK_SOON(&w, p->out_size == 0);
      peer_finish(p);
    } else {
      play(&endings[i], texts, n);
    }
    frame f;
    for (unsigned at = 0; at < COUNT; at++)
      if (!CHECK_SOON(&w, wire_next(p, &f)) || !CHECK(f.size == 4 && memcmp(f.data, &at, 4) == 0)) break;
    expect_end(endings[i].answer);
    peer_close(p);
    expect_closed(endings[i].told, endings[i].clean);
    end();
  }
  free(texts);
}

static void closeTimeout_begins_with_the_answer_however_late_it_is(void) {
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.holds = true;
    play(&endings[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    world_pass(&w, 10 * CLOSE_TIMEOUT);
    out_message(&w, handle, 1, "late", 4);
    answer();
    out_message(&w, handle, 1, "too late", 8);
    CHECK(lwsn_outbound_send(w.context, handle, 1, (const uint8_t *)"too late", 8) < 0);
    expect_text("late");
    expect_end(endings[i].answer);
    if (!endings[i].ends) CHECK_AFTER(&w, CLOSE_TIMEOUT, told(LWSN_RECORD_CLOSED) == 1);
    expect_closed(endings[i].told, endings[i].clean && endings[i].ends);
    end();
  }
}

static void a_full_socket_takes_all_that_waits_before_the_answer(void) {
  static uint8_t data[STUCK];
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    peer_read(p, false);
    out_message(&w, handle, 2, data, sizeof data);
    CHECK(out_queued(&w, handle) > 0);
    play(&endings[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    world_run(&w, 5);
    peer_read(p, true);
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_INT(f.size, STUCK);
    expect_end(endings[i].answer);
    peer_close(p);
    expect_closed(endings[i].told, endings[i].clean);
    end();
  }
}

static void a_full_socket_that_takes_nothing_is_left_after_closeTimeout(void) {
  static uint8_t data[STUCK];
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    peer_read(p, false);
    out_message(&w, handle, 2, data, sizeof data);
    play(&endings[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    lwsn_outbound_flush(w.context);
    CHECK_AFTER(&w, CLOSE_TIMEOUT, told(LWSN_RECORD_CLOSED) == 1);
    expect_closed(endings[i].told, false);
    end();
  }
}

static void waiting_for_the_answer_does_not_spin(void) {
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.holds = true;
    play(&endings[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    world_run(&w, 10);
    unsigned long turns = w.turns;
    world_run(&w, 50);
    CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop", w.turns - turns);
    answer();
    expect_end(endings[i].answer);
    peer_close(p);
    expect_closed(endings[i].told, endings[i].clean);
    end();
  }
}

static void RST_ends_it_at_once_without_an_answer(void) {
  static const ending open_ended[] = {{.closes = true, .told = 4000}, {.fails = true, .told = 1006}};
  for (size_t i = 0; i < 2; i++) {
    begin();
    w.holds = true;
    play(&open_ended[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    peer_reset(p);
    expect_closed(open_ended[i].told, false);
    end();
  }
}

static void publications_reach_it_until_it_has_answered(void) {
  begin();
  w.holds = true;
  CHECK(out_subscribe(&w, handle, "news") > 0);
  play(&endings[0], NULL, 0);
  CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
  CHECK_INT(out_publish(&w, "news", "last", 4), 1);
  out_tell(&w, handle, LWSN_OUT_ANSWER);
  CHECK_INT(out_publish(&w, "news", "late", 4), 0);
  expect_text("last");
  expect_end(4000);
  end();
}

static void a_close_of_ours_that_did_not_know_yet_goes_out_as_it_is(void) {
  for (size_t i = 0; i < ENDINGS; i++) {
    begin();
    w.holds = true;
    play(&endings[i], NULL, 0);
    CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
    out_message(&w, handle, 1, "last", 4);
    out_close(&w, handle, 4999, "ours");
    out_tell(&w, handle, LWSN_OUT_ANSWER);
    expect_text("last");
    expect_end(4999);
    peer_close(p);
    expect_closed(endings[i].told, endings[i].clean);
    end();
  }
}

static void an_answer_that_nobody_waits_for_is_nothing(void) {
  begin();
  answer();
  out_message(&w, handle, 1, "still here", 10);
  expect_text("still here");
  end();
}

static void a_paused_connection_notices_a_peer_that_ended_behind_all_that_was_read(void) {
  begin();
  w.echoes = true;
  wire_text(p, "read");
  expect_text("read");
  out_tell(&w, handle, LWSN_OUT_PAUSE);
  lwsn_outbound_flush(w.context);
  peer_finish(p);
  expect_end(0);
  expect_closed(1006, false);
  end();
}

static void a_subscriber_that_overflows_is_closed_behind_what_was_sent_to_it(void) {
  static uint8_t data[STUCK];
  begin();
  w.holds = true;
  w.server->options.max_backpressure = STUCK;
  CHECK(out_subscribe(&w, handle, "news") > 0);
  peer_read(p, false);
  out_message(&w, handle, 2, data, sizeof data);
  CHECK_INT(out_publish(&w, "news", data, sizeof data), 0);
  CHECK_SOON(&w, told(LWSN_RECORD_CLOSING) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSING)->detail, LWSN_CLOSING_OURS);
  out_message(&w, handle, 1, "last", 4);
  out_close(&w, handle, 1013, NULL);
  peer_read(p, true);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.size, STUCK);
  expect_text("last");
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(wire_code(&f), 1013);
  end();
}

int main(void) {
  answers_of_messages_before_the_end_go_out_before_its_answer();
  CLOSING_comes_in_the_batch_after_that_of_the_last_message();
  CLOSING_comes_at_once_where_no_record_waits();
  more_messages_than_a_batch_holds_are_all_answered_before_the_end();
  closeTimeout_begins_with_the_answer_however_late_it_is();
  a_full_socket_takes_all_that_waits_before_the_answer();
  a_full_socket_that_takes_nothing_is_left_after_closeTimeout();
  waiting_for_the_answer_does_not_spin();
  RST_ends_it_at_once_without_an_answer();
  publications_reach_it_until_it_has_answered();
  a_close_of_ours_that_did_not_know_yet_goes_out_as_it_is();
  an_answer_that_nobody_waits_for_is_nothing();
  a_paused_connection_notices_a_peer_that_ended_behind_all_that_was_read();
  a_subscriber_that_overflows_is_closed_behind_what_was_sent_to_it();
  return check_report();
}
