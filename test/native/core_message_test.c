/* Messages in and out: every kind of size, split and fragmentation, with control frames in between. */
#include <stdlib.h>

#include "check.h"
#include "out.h"
#include "websocket/connection.h"
#include "wire.h"

enum { LARGEST = 1024 * 1024 };

static uint8_t content[LARGEST];

/* Bytes for a binary message, or ASCII with a few sequences of UTF-8 for a text. */
static void fill(size_t size, bool text) {
  wire_fill(content, size);
  if (!text) return;
  for (size_t i = 0; i < size; i++) content[i] = (uint8_t)(' ' + content[i] % 95);
  for (size_t i = 5; i + 4 <= size; i += 97) memcpy(content + i, "\xf0\x9f\x98\x80", 4);
}

/* The log must hold the message, and the peer must get it back. */
static void expect_echo(world *w, peer *p, unsigned first, size_t size) {
  frame f;
  if (!CHECK_SOON(w, wire_next(p, &f))) return;
  CHECK_MSG(f.first == first, "a frame that begins with %#x instead of %#x", f.first, first);
  CHECK_MSG(f.size == size && memcmp(f.data, content, size) == 0, "an echo of %zu bytes, %zu came back", size, f.size);
}

static void messages_of_every_size_are_echoed(void) {
  static const size_t sizes[] = {0,    1,    2,     124,   125,   126,    127,    4095,
                                 4096, 4097, 65534, 65535, 65536, 131072, 131073, LARGEST};
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (unsigned opcode = 1; opcode <= 2; opcode++) {
      fill(sizes[i], opcode == 1);
      wire_send(p, 0x80 | opcode, content, sizes[i]);
      expect_echo(&w, p, 0x80 | opcode, sizes[i]);
      const event *e = world_last(&w, opcode == 1 ? LWSN_RECORD_TEXT : LWSN_RECORD_BINARY);
      CHECK(e && e->size == sizes[i] && (e->size == 0 || memcmp(e->data, content, e->size) == 0));
      world_forget(&w);
    }
  }
  CHECK_INT(w.server->stats.messages_received, 2 * sizeof sizes / sizeof *sizes);
  CHECK_INT(w.server->stats.messages_sent, w.server->stats.messages_received);
  CHECK(world_end(&w));
}

static void small_messages_may_come_byte_by_byte(void) {
  static const size_t sizes[] = {0, 1, 5, 125, 126, 300};
  uint8_t bytes[400];
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (unsigned opcode = 1; opcode <= 2; opcode++) {
      fill(sizes[i], opcode == 1);
      CHECK(peer_drip(p, bytes, wire_frame(bytes, 0x80 | opcode, content, sizes[i]), 1));
      expect_echo(&w, p, 0x80 | opcode, sizes[i]);
    }
  }
  CHECK(world_end(&w));
}

static void two_messages_may_be_cut_anywhere(void) {
  uint8_t bytes[512];
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  fill(130, true);
  size_t first = wire_frame(bytes, WIRE_TEXT, content, 130);
  size_t n = first + wire_frame(bytes + first, WIRE_TEXT, content, 3);
  for (size_t split = 1; split < n; split++) {
    CHECK(peer_drip(p, bytes, split, split));
    peer_send(p, bytes + split, n - split);
    expect_echo(&w, p, WIRE_TEXT, 130);
    expect_echo(&w, p, WIRE_TEXT, 3);
  }
  CHECK(world_end(&w));
}

static void a_header_with_a_long_length_may_be_cut_anywhere(void) {
  enum { SIZE = 65536 };
  uint8_t *bytes = malloc(SIZE + WIRE_HEADER_MAX);
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  fill(SIZE, false);
  size_t n = wire_frame(bytes, WIRE_BINARY, content, SIZE);
  for (size_t split = 1; split <= WIRE_HEADER_MAX + 2; split++) {
    CHECK(peer_drip(p, bytes, split, split));
    peer_send(p, bytes + split, n - split);
    expect_echo(&w, p, WIRE_BINARY, SIZE);
  }
  free(bytes);
  CHECK(world_end(&w));
}

static void a_large_message_may_come_in_pieces_of_any_size(void) {
  static const size_t steps[] = {1021, 4096, 65521, 300000};
  enum { SIZE = 600 * 1024 };
  uint8_t *bytes = malloc(SIZE + WIRE_HEADER_MAX);
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  for (size_t i = 0; i < 4; i++) {
    fill(SIZE, true);
    CHECK(peer_drip(p, bytes, wire_frame(bytes, WIRE_TEXT, content, SIZE), steps[i]));
    expect_echo(&w, p, WIRE_TEXT, SIZE);
  }
  free(bytes);
  CHECK(world_end(&w));
}

static void an_announced_size_takes_memory_when_a_part_of_it_has_come(void) {
  enum { SIZE = LARGEST, PART = SIZE / 16 };
  static const struct {
    size_t sent, expected;
  } steps[] = {{14, 0}, {100, 0}, {PART / 2, 0}, {PART + 14, SIZE}, {SIZE / 2, SIZE}, {SIZE + 14, 0}};
  uint8_t *bytes = malloc(SIZE + WIRE_HEADER_MAX);
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  fill(SIZE, false);
  CHECK_INT(wire_frame(bytes, WIRE_BINARY, content, SIZE), SIZE + 14);
  size_t sent = 0;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    CHECK(peer_drip(p, bytes + sent, steps[i].sent - sent, steps[i].sent - sent));
    CHECK_SOON(&w, w.context->services.inbound.expected_bytes == steps[i].expected);
    sent = steps[i].sent;
  }
  expect_echo(&w, p, WIRE_BINARY, SIZE);
  free(bytes);
  CHECK(world_end(&w));
}

static void what_all_connections_expect_is_bounded_and_every_message_comes_all_the_same(void) {
  enum { SIZE = LARGEST, MOST = 64, PEERS = MOST + 3 };
  uint8_t *bytes = malloc(SIZE + WIRE_HEADER_MAX);
  peer *peers[PEERS];
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  fill(SIZE, false);
  size_t n = wire_frame(bytes, WIRE_BINARY, content, SIZE);
  for (int i = 0; i < PEERS; i++) {
    peers[i] = wire_open(&w, NULL);
    CHECK(peer_drip(peers[i], bytes, n / 2, n / 2));
    CHECK_SOON(&w, w.context->services.inbound.expected_bytes == (size_t)(i < MOST ? i + 1 : MOST) * SIZE);
  }
  peer_reset(peers[0]);
  CHECK_SOON(&w, w.context->services.inbound.expected_bytes == (size_t)(MOST - 1) * SIZE);
  for (int i = 1; i < PEERS; i++) {
    peer_send(peers[i], bytes + n / 2, n - n / 2);
    expect_echo(&w, peers[i], WIRE_BINARY, SIZE);
    world_forget(&w);
  }
  CHECK_INT(w.context->services.inbound.expected_bytes, 0);
  free(bytes);
  CHECK(world_end(&w));
}

static void many_messages_in_one_read_are_told_in_one_batch_and_in_order(void) {
  enum { COUNT = 1000 };
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  unsigned long batches = w.batches;
  uint8_t *bytes = malloc(COUNT * 16);
  size_t n = 0;
  for (uint32_t i = 0; i < COUNT; i++) n += wire_frame(bytes + n, WIRE_BINARY, &i, sizeof i);
  peer_send(p, bytes, n);
  free(bytes);
  for (uint32_t i = 0; i < COUNT; i++) {
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(f.size == 4 && memcmp(f.data, &i, 4) == 0);
  }
  CHECK_INT(w.batches - batches, 1);
  CHECK(world_end(&w));
}

/* Sends a message as frames of `step` bytes. */
static void send_fragments(peer *p, unsigned opcode, size_t size, size_t step, bool pings) {
  for (size_t at = 0; at == 0 || at < size; at += step) {
    size_t n = size - at < step ? size - at : step;
    unsigned first = (at == 0 ? opcode : 0) | (at + n == size ? 0x80 : 0);
    wire_send(p, first, content + at, n);
    if (pings && at + n < size) wire_send(p, WIRE_PING, &at, sizeof at);
  }
}

static void fragmented_messages_are_joined(void) {
  static const struct {
    size_t size, step;
  } cases[] = {{2, 1}, {300, 1}, {300, 7}, {4096, 4095}, {70000, 1000}, {300000, 70000}};
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (unsigned opcode = 1; opcode <= 2; opcode++) {
      fill(cases[i].size, opcode == 1);
      send_fragments(p, opcode, cases[i].size, cases[i].step, false);
      expect_echo(&w, p, 0x80 | opcode, cases[i].size);
    }
  }
  CHECK(world_end(&w));
}

static void fragments_may_be_empty(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  memcpy(content, "ab", 2);
  wire_send(p, 0x01, "", 0);
  wire_send(p, 0x00, "ab", 2);
  wire_send(p, 0x00, "", 0);
  wire_send(p, 0x80, "", 0);
  expect_echo(&w, p, WIRE_TEXT, 2);
  wire_send(p, 0x02, "", 0);
  wire_send(p, 0x80, "", 0);
  expect_echo(&w, p, WIRE_BINARY, 0);
  CHECK(world_end(&w));
}

static void pings_between_fragments_are_answered_at_once(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  fill(50, true);
  send_fragments(p, 1, 50, 10, true);
  for (size_t at = 0; at < 40; at += 10) {
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_INT(f.first, WIRE_PONG);
    CHECK(f.size == sizeof at && memcmp(f.data, &at, sizeof at) == 0);
  }
  expect_echo(&w, p, WIRE_TEXT, 50);
  CHECK(world_end(&w));
}

static void pongs_are_told_with_what_they_carry(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  frame f;
  out_ping(&w, handle, "are you there?", 14);
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.first, WIRE_PING);
  CHECK_BYTES(f.data, f.size, "are you there?");
  uint8_t bytes[200];
  size_t n = wire_frame(bytes, WIRE_PONG, f.data, f.size);
  n += wire_frame(bytes + n, WIRE_PONG, "", 0);
  CHECK(peer_drip(p, bytes, n, 3));
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_PONG) == 2);
  const event *e = world_nth(&w, LWSN_RECORD_PONG, 0);
  CHECK_BYTES(e->data, e->size, "are you there?");
  CHECK_INT(world_nth(&w, LWSN_RECORD_PONG, 1)->size, 0);
  CHECK(world_end(&w));
}

static void pings_of_every_size_are_answered_also_byte_by_byte(void) {
  static const size_t sizes[] = {0, 1, 124, 125};
  uint8_t bytes[150];
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  for (size_t i = 0; i < 8; i++) {
    size_t size = sizes[i / 2];
    fill(size, false);
    size_t n = wire_frame(bytes, WIRE_PING, content, size);
    CHECK(peer_drip(p, bytes, n, i % 2 ? 1 : n));
    expect_echo(&w, p, WIRE_PONG, size);
  }
  CHECK_INT(world_told(&w, LWSN_RECORD_PONG), 0);
  CHECK(world_end(&w));
}

static void a_text_tells_whether_it_is_ascii(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  wire_text(p, "plain");
  wire_text(p, "gr\xc3\xbcn");
  wire_send(p, 0x01, "pla", 3);
  wire_send(p, 0x80, "in", 2);
  wire_send(p, 0x01, "gr\xc3", 3);
  wire_send(p, 0x80, "\xbcn", 2);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 4);
  for (size_t i = 0; i < 4; i++) CHECK_INT(world_nth(&w, LWSN_RECORD_TEXT, i)->detail, i % 2 == 0);
  CHECK(world_end(&w));
}

int main(void) {
  messages_of_every_size_are_echoed();
  small_messages_may_come_byte_by_byte();
  two_messages_may_be_cut_anywhere();
  a_header_with_a_long_length_may_be_cut_anywhere();
  a_large_message_may_come_in_pieces_of_any_size();
  an_announced_size_takes_memory_when_a_part_of_it_has_come();
  what_all_connections_expect_is_bounded_and_every_message_comes_all_the_same();
  many_messages_in_one_read_are_told_in_one_batch_and_in_order();
  fragmented_messages_are_joined();
  fragments_may_be_empty();
  pings_between_fragments_are_answered_at_once();
  pongs_are_told_with_what_they_carry();
  pings_of_every_size_are_answered_also_byte_by_byte();
  a_text_tells_whether_it_is_ascii();
  return check_report();
}
