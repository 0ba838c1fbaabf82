/* Output: order, full sockets, what is published of the queue, WRITABLE, and floods of pings. */
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

enum { LARGE = 8 * 1024 * 1024 };

static uint8_t content[LARGE];

static world w;
static peer *p;
static lwsn_handle handle;

static void begin(void) {
  world_begin(&w, NULL);
  w.accepts = true;
  p = wire_open(&w, &handle);
}

static void end(void) { CHECK(world_end(&w)); }

/* Fills the socket of a peer that does not read; what is left waits natively. */
static void fill_socket(void) {
  peer_read(p, false);
  wire_fill(content, sizeof content);
  out_message(&w, handle, 2, content, sizeof content);
  CHECK(out_queued(&w, handle) > 0);
}

static void expect_content(void) {
  frame f;
  if (!CHECK_SOON(&w, wire_next(p, &f))) return;
  CHECK(f.first == WIRE_BINARY && f.size == sizeof content && memcmp(f.data, content, f.size) == 0);
}

static void messages_keep_their_order_whatever_way_they_take(void) {
  static const size_t sizes[] = {0, 1, 125, 126, 1023, 1024, 1025, 4096, 4097, 65535, 65536, 70000};
  enum { COUNT = 600 };
  begin();
  wire_fill(content, 70000);
  for (uint32_t i = 0; i < COUNT; i++) {
    size_t size = sizes[i % 12];
    memcpy(content, &i, 4);
    out_message(&w, handle, 1 + i % 2, content, size);
    if (i % 50 == 0) out_ping(&w, handle, &i, sizeof i);
  }
  for (uint32_t i = 0; i < COUNT; i++) {
    frame f;
    size_t size = sizes[i % 12];
    memcpy(content, &i, 4);
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_INT(f.first, i % 2 ? WIRE_BINARY : WIRE_TEXT);
    CHECK(f.size == size && (size == 0 || memcmp(f.data, content, size) == 0));
    if (i % 50) continue;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_INT(f.first, WIRE_PING);
  }
  CHECK_INT(w.server->stats.messages_sent, COUNT);
  end();
}

static void a_flush_of_many_middling_frames_takes_several_writes(void) {
  enum { COUNT = 100, SIZE = 2000 }; /* more than one scatter write holds */
  begin();
  wire_fill(content, SIZE);
  for (int i = 0; i < COUNT; i++) {
    content[0] = (uint8_t)i;
    out_message(&w, handle, 2, content, SIZE);
    if (i % 3 == 0) out_message(&w, handle, 2, content, 10);
  }
  for (int i = 0; i < COUNT; i++) {
    frame f;
    content[0] = (uint8_t)i;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(f.size == SIZE && memcmp(f.data, content, SIZE) == 0);
    if (i % 3 == 0) CHECK_SOON(&w, wire_next(p, &f) && f.size == 10 && f.data[0] == i);
  }
  end();
}

static void interleaved_messages_to_many_connections_each_keep_their_order(void) {
  enum { PEERS = 20, ROUNDS = 400 };
  peer *peers[PEERS];
  lwsn_handle handles[PEERS];
  begin();
  for (int i = 0; i < PEERS; i++) peers[i] = wire_open(&w, &handles[i]);
  for (uint32_t round = 0; round < ROUNDS; round++)
    for (int i = 0; i < PEERS; i++) out_message(&w, handles[i], 2, &round, sizeof round);
  for (int i = 0; i < PEERS; i++) {
    for (uint32_t round = 0; round < ROUNDS; round++) {
      frame f;
      CHECK_SOON(&w, wire_next(peers[i], &f));
      CHECK(f.size == 4 && memcmp(f.data, &round, 4) == 0);
    }
  }
  end();
}

static void what_waits_natively_is_published_exactly(void) {
  begin();
  double before = (double)w.server->stats.bytes_sent;
  fill_socket();
  double framed = LARGE + 10;
  CHECK(out_queued(&w, handle) == framed - ((double)w.server->stats.bytes_sent - before));
  double waits = lwsn_outbound_send(w.context, handle, 1, (const uint8_t *)"more", 4);
  framed += 6;
  CHECK(waits == out_queued(&w, handle));
  CHECK(waits == framed - ((double)w.server->stats.bytes_sent - before));
  peer_read(p, true);
  world_wait(&w);
  while (out_queued(&w, handle) > 0 && world_step(&w))
    CHECK(out_queued(&w, handle) == framed - ((double)w.server->stats.bytes_sent - before));
  CHECK_INT(out_queued(&w, handle), 0);
  expect_content();
  end();
}

static void WRITABLE_comes_once_when_the_queue_ran_empty(void) {
  begin();
  fill_socket();
  for (int i = 0; i < 10; i++) out_message(&w, handle, 1, "behind it", 9);
  world_run(&w, 10);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  peer_read(p, true);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_WRITABLE) == 1);
  CHECK_INT(out_queued(&w, handle), 0);
  expect_content();
  for (int i = 0; i < 10; i++) {
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_BYTES(f.data, f.size, "behind it");
  }
  out_message(&w, handle, 1, "fits", 4);
  world_run(&w, 10);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 1);
  end();
}

/* Lengths that the writer never gives: the core goes by how much was written. */
static void a_record_that_reaches_past_what_was_written_is_not_read(void) {
  static const uint32_t lengths[] = {208, LWSN_OUT_SIZE, UINT32_MAX - LWSN_OUT_HEADER, UINT32_MAX};
  begin();
  uint32_t *words = (uint32_t *)w.context->chain.ring->data, *record = words + LWSN_OUT_START / 4;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    lwsn_outbound_flush(w.context);
    out_message(&w, handle, 2, content, 200);
    record[3] = lengths[i];
    lwsn_outbound_flush(w.context);
    CHECK_INT(words[0], LWSN_OUT_START);
    out_message(&w, handle, 1, "behind it", 9);
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_BYTES(f.data, f.size, "behind it");
  }
  end();
}

static void WRITABLE_comes_once_after_it_was_asked_for(void) {
  begin();
  for (unsigned i = 1; i <= 3; i++) {
    out_tell(&w, handle, LWSN_OUT_WANT_WRITABLE);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_WRITABLE) == i);
    world_run(&w, 5);
    CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), i);
  }
  end();
}

static void asking_for_WRITABLE_while_bytes_wait_is_answered_when_they_left(void) {
  begin();
  fill_socket();
  out_tell(&w, handle, LWSN_OUT_WANT_WRITABLE);
  world_run(&w, 10);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  peer_read(p, true);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_WRITABLE) == 1);
  expect_content();
  world_run(&w, 5);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 1);
  end();
}

static void a_full_socket_lets_the_loop_sleep(void) {
  begin();
  fill_socket();
  world_run(&w, 20);
  unsigned long turns = w.turns;
  world_run(&w, 100);
  CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop while the socket is full", w.turns - turns);
  end();
}

static void a_full_socket_does_not_keep_messages_of_the_peer_from_coming(void) {
  begin();
  fill_socket();
  wire_text(p, "still heard");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  end();
}

static void a_flood_of_pings_to_a_full_socket_costs_one_pong(void) {
  int count = world_is_slow() ? 20000 : 100000;
  begin();
  fill_socket();
  double waits = out_queued(&w, handle);
  uint8_t payload[125] = {0};
  uint8_t *flood = malloc((size_t)count * 131);
  size_t n = 0;
  for (int i = 0; i < count; i++) {
    memcpy(payload, &i, sizeof i);
    n += wire_frame(flood + n, WIRE_PING, payload, sizeof payload);
  }
  peer_send(p, flood, n);
  free(flood);
  CHECK_SOON(&w, p->out_size == 0);
  wire_text(p, "after the flood");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  CHECK(out_queued(&w, handle) <= waits);
  peer_read(p, true);
  expect_content();
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.first, WIRE_PONG);
  int last = count - 1; /* RFC 6455 5.5.3: the latest may stand for all */
  CHECK(f.size == 125 && memcmp(f.data, &last, sizeof last) == 0);
  world_run(&w, 5);
  CHECK_INT(peer_waiting(p), 0);
  end();
}

static void every_ping_of_a_peer_that_reads_is_answered_in_order(void) {
  enum { COUNT = 2000 };
  begin();
  for (uint32_t i = 0; i < COUNT; i++) wire_send(p, WIRE_PING, &i, sizeof i);
  for (uint32_t i = 0; i < COUNT; i++) {
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(f.first == WIRE_PONG && f.size == 4 && memcmp(f.data, &i, 4) == 0);
  }
  end();
}

/* Sends a burst for each message, more than the out-ring holds. */
static void burst(world *world, const event *e) {
  if (e->kind != LWSN_RECORD_TEXT) return;
  for (uint32_t i = 0; i < 300; i++) {
    memcpy(content, &i, 4);
    out_message(world, e->handle, 2, content, 4000);
  }
}

static void a_handler_may_write_more_than_the_out_ring_holds(void) {
  begin();
  w.react = burst;
  wire_text(p, "go");
  for (uint32_t i = 0; i < 300; i++) {
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(f.size == 4000 && memcmp(f.data, &i, 4) == 0);
  }
  end();
}

int main(void) {
  messages_keep_their_order_whatever_way_they_take();
  a_flush_of_many_middling_frames_takes_several_writes();
  interleaved_messages_to_many_connections_each_keep_their_order();
  what_waits_natively_is_published_exactly();
  WRITABLE_comes_once_when_the_queue_ran_empty();
  a_record_that_reaches_past_what_was_written_is_not_read();
  WRITABLE_comes_once_after_it_was_asked_for();
  asking_for_WRITABLE_while_bytes_wait_is_answered_when_they_left();
  a_full_socket_lets_the_loop_sleep();
  a_full_socket_does_not_keep_messages_of_the_peer_from_coming();
  a_flood_of_pings_to_a_full_socket_costs_one_pong();
  every_ping_of_a_peer_that_reads_is_answered_in_order();
  a_handler_may_write_more_than_the_out_ring_holds();
  return check_report();
}
