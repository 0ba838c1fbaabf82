/* Runs of short messages: what is in them, where they end, and what is wrong in the middle of one. */
#include <stdlib.h>

#include "check.h"
#include "out.h"
#include "websocket/connection.h"
#include "wire.h"

enum { LONGEST = 140, COUNT = 4000 }; /* some are too long for a run; together they fill several slabs */

static size_t fill(uint8_t *to, uint32_t i, bool text) {
  size_t size = wire_random() % (LONGEST + 1);
  wire_fill(to, size);
  if (!text) return size;
  for (size_t k = 0; k < size; k++) to[k] = (uint8_t)(' ' + to[k] % 95);
  if (i % 3 == 0 && size >= 2) memcpy(to + size - 2, "\xc3\xbc", 2);
  return size;
}

static void messages_of_every_kind_and_length_are_told_in_order(void) {
  static uint8_t content[COUNT][LONGEST];
  static size_t sizes[COUNT];
  static bool texts[COUNT];
  uint8_t *bytes = malloc(COUNT * (LONGEST + 16));
  size_t n = 0;
  for (uint32_t i = 0; i < COUNT; i++) {
    texts[i] = i / 7 % 2 == 0;
    sizes[i] = fill(content[i], i, texts[i]);
    n += wire_frame(bytes + n, texts[i] ? WIRE_TEXT : WIRE_BINARY, content[i], sizes[i]);
  }
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  size_t done = 0;
  for (size_t step; done < n; done += step) {
    step = 1 + wire_random() % 5000;
    if (step > n - done) step = n - done;
    peer_send(p, bytes + done, step);
    world_step(&w);
  }
  free(bytes);
  for (uint32_t i = 0; i < COUNT; i++) {
    frame f;
    if (!CHECK_SOON(&w, wire_next(p, &f))) break;
    bool same = f.first == (texts[i] ? WIRE_TEXT : WIRE_BINARY) && f.size == sizes[i] &&
                memcmp(f.data, content[i], sizes[i]) == 0;
    if (!CHECK_MSG(same, "message %u of %zu bytes came back as %zu", i, sizes[i], f.size)) break;
  }
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT) + world_told(&w, LWSN_RECORD_BINARY), COUNT);
  CHECK_INT(w.server->stats.messages_received, COUNT);
  CHECK(world_end(&w));
}

/* What stands behind three right messages, and before three that nobody may see. */
typedef struct wrong {
  const char *what;
  unsigned first;
  const char *bytes;
  size_t size;
  bool masked;
  unsigned code;
} wrong;

static const wrong wrongs[] = {
    {"a text that is not UTF-8", WIRE_TEXT, "ab\xff", 3, true, 1007},
    {"a text that ends inside a sequence", WIRE_TEXT, "ab\xc3", 3, true, 1007},
    {"a message above the limit", WIRE_TEXT, "12345678901", 11, true, 1009},
    {"a frame without a mask", WIRE_TEXT, "abc", 3, false, 1002},
    {"a reserved bit", 0x40 | WIRE_TEXT, "abc", 3, true, 1002},
    {"a reserved opcode", 0x83, "abc", 3, true, 1002},
    {"a continuation of nothing", 0x80, "abc", 3, true, 1002},
};

static size_t frame_of(uint8_t *to, const wrong *x) {
  if (x->masked) return wire_frame(to, x->first, x->bytes, x->size);
  to[0] = (uint8_t)x->first;
  to[1] = (uint8_t)x->size;
  memcpy(to + 2, x->bytes, x->size);
  return 2 + x->size;
}

static void what_is_wrong_ends_the_connection_behind_the_right_ones(void) {
  for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
    const wrong *x = &wrongs[i];
    lwsn_server_options options = world_options();
    options.max_payload = 10;
    world w;
    world_begin(&w, &options);
    w.accepts = true;
    peer *p = wire_open(&w, NULL);
    uint8_t bytes[256];
    size_t n = 0;
    for (int k = 0; k < 3; k++) n += wire_frame(bytes + n, WIRE_TEXT, "1234567890", 10);
    n += frame_of(bytes + n, x);
    for (int k = 0; k < 3; k++) n += wire_frame(bytes + n, WIRE_TEXT, "unseen", 6);
    peer_send(p, bytes, n);
    frame f;
    if (CHECK_SOON(&w, wire_next(p, &f))) CHECK_MSG(wire_code(&f) == x->code, "%s: %u", x->what, wire_code(&f));
    CHECK_MSG(world_told(&w, LWSN_RECORD_TEXT) == 3, "%s: %lu told", x->what, world_told(&w, LWSN_RECORD_TEXT));
    CHECK(world_end(&w));
  }
}

static void flood(peer *p, uint32_t messages) {
  uint8_t *bytes = malloc(messages * 8);
  size_t n = 0;
  for (uint32_t i = 0; i < messages; i++) n += wire_frame(bytes + n, WIRE_BINARY, "x", 1);
  peer_send(p, bytes, n);
  free(bytes);
}

static void a_full_ring_ends_a_run_and_the_rest_follows(void) {
  enum { MANY = LWSN_RING_RECORDS + 100 };
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *peers[8];
  for (int i = 0; i < 8; i++) peers[i] = wire_open(&w, NULL);
  for (int i = 0; i < 8; i++) flood(peers[i], MANY);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == 8 * MANY);
  CHECK(world_end(&w));
}

static void what_one_connection_adds_before_another_has_its_turn_is_bounded(void) {
  enum { MANY = 3 * LWSN_RING_RECORDS / 4, SHARE = LWSN_RING_RECORDS / 4 };
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  lwsn_handle quiet;
  peer *loud = wire_open(&w, NULL), *p = wire_open(&w, &quiet);
  world_forget(&w);
  flood(loud, MANY);
  wire_send(p, WIRE_BINARY, "me", 2);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == MANY + 1);
  size_t before = 0;
  while (before < w.event_count && w.events[before].handle.slot != quiet.slot) before++;
  CHECK_MSG(before <= SHARE, "%zu records stand before the quiet one's", before);
  CHECK(world_end(&w));
}

int main(void) {
  messages_of_every_kind_and_length_are_told_in_order();
  what_is_wrong_ends_the_connection_behind_the_right_ones();
  a_full_ring_ends_a_run_and_the_rest_follows();
  what_one_connection_adds_before_another_has_its_turn_is_bounded();
  return check_report();
}
