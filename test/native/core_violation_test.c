/* Input that RFC 6455 forbids: the close code on the wire, then FIN, and nothing of it told as a message. */
#include <stdlib.h>

#include "check.h"
#include "out.h"
#include "wire.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1
#define MASK "\x00\x00\x00\x00"

typedef struct violation {
  const char *name;
  const uint8_t *bytes;
  size_t size;
  unsigned code;
} violation;

static const violation violations[] = {
    {"RSV1 without an extension", BYTES("\xc1\x80" MASK), 1002},
    {"RSV2", BYTES("\xa1\x80" MASK), 1002},
    {"RSV3", BYTES("\x91\x80" MASK), 1002},
    {"RSV1 on a control frame", BYTES("\xc9\x80" MASK), 1002},
    {"an unmasked text", BYTES("\x81\x02hi"), 1002},
    {"an unmasked empty frame", BYTES("\x82\x00"), 1002},
    {"an unmasked close", BYTES("\x88\x00"), 1002},
    {"opcode 3", BYTES("\x83\x80" MASK), 1002},
    {"opcode 7", BYTES("\x87\x80" MASK), 1002},
    {"opcode 11", BYTES("\x8b\x80" MASK), 1002},
    {"opcode 15", BYTES("\x8f\x80" MASK), 1002},
    {"a ping without FIN", BYTES("\x09\x80" MASK), 1002},
    {"a pong without FIN", BYTES("\x0a\x80" MASK), 1002},
    {"a close without FIN", BYTES("\x08\x80" MASK), 1002},
    {"a ping of 126 bytes", BYTES("\x89\xfe\x00\x7e" MASK), 1002},
    {"a close of 65536 bytes", BYTES("\x88\xff\x00\x00\x00\x00\x00\x01\x00\x00" MASK), 1002},
    {"a continuation of nothing", BYTES("\x80\x80" MASK), 1002},
    {"a continuation of nothing, without FIN", BYTES("\x00\x81" MASK "x"), 1002},
    {"a text inside a fragmented text", BYTES("\x01\x81" MASK "a\x81\x81" MASK "b"), 1002},
    {"a binary inside a fragmented text", BYTES("\x01\x81" MASK "a\x02\x81" MASK "b"), 1002},
    {"125 in 16 bits", BYTES("\x82\xfe\x00\x7d" MASK), 1002},
    {"0 in 16 bits", BYTES("\x82\xfe\x00\x00" MASK), 1002},
    {"65535 in 64 bits", BYTES("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff" MASK), 1002},
    {"the highest bit of 64", BYTES("\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00" MASK), 1002},
    {"a close of one byte", BYTES("\x88\x81" MASK "\x03"), 1002},
    {"close code 0", BYTES("\x88\x82" MASK "\x00\x00"), 1002},
    {"close code 999", BYTES("\x88\x82" MASK "\x03\xe7"), 1002},
    {"close code 1004", BYTES("\x88\x82" MASK "\x03\xec"), 1002},
    {"close code 1005", BYTES("\x88\x82" MASK "\x03\xed"), 1002},
    {"close code 1006", BYTES("\x88\x82" MASK "\x03\xee"), 1002},
    {"close code 1015", BYTES("\x88\x82" MASK "\x03\xf7"), 1002},
    {"close code 1016", BYTES("\x88\x82" MASK "\x03\xf8"), 1002},
    {"close code 2999", BYTES("\x88\x82" MASK "\x0b\xb7"), 1002},
    {"close code 5000", BYTES("\x88\x82" MASK "\x13\x88"), 1002},
    {"close code 65535", BYTES("\x88\x82" MASK "\xff\xff"), 1002},
    {"a close reason that is no UTF-8", BYTES("\x88\x84" MASK "\x03\xe8\xc3\x28"), 1007},
    {"a close reason cut off", BYTES("\x88\x84" MASK "\x03\xe8\xe2\x82"), 1007},
    {"a byte that never occurs", BYTES("\x81\x81" MASK "\xff"), 1007},
    {"an overlong sequence", BYTES("\x81\x82" MASK "\xc0\xaf"), 1007},
    {"a surrogate", BYTES("\x81\x83" MASK "\xed\xa0\x80"), 1007},
    {"beyond U+10FFFF", BYTES("\x81\x84" MASK "\xf4\x90\x80\x80"), 1007},
    {"a text cut off inside a sequence", BYTES("\x81\x82" MASK "a\xc3"), 1007},
    {"a fragmented text cut off inside a sequence", BYTES("\x01\x82" MASK "a\xc3\x80\x80" MASK), 1007},
    {"a sequence broken between two fragments", BYTES("\x01\x82" MASK "a\xc3\x80\x81" MASK "a"), 1007},
    {"2001 bytes", BYTES("\x82\xfe\x07\xd1" MASK), 1009},
    {"2^62 bytes", BYTES("\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00" MASK), 1009},
    {"2001 bytes of text in two frames", BYTES("\x01\x81" MASK "a\x80\xfe\x07\xd0" MASK), 1009},
};

enum { COUNT = sizeof violations / sizeof *violations };

static void begin(world *w) {
  lwsn_server_options options = world_options();
  options.max_payload = 2000;
  world_begin(w, &options);
  w->accepts = true;
}

/* The close frame, FIN, then CLOSED with 1006 and the same sentence; nothing else. */
static void expect_failed(world *w, peer *p, const violation *v, unsigned long closed) {
  frame f;
  if (!CHECK_SOON(w, wire_next(p, &f))) return;
  CHECK_MSG(f.first == WIRE_CLOSE && wire_code(&f) == v->code, "%s: close %u instead of %u", v->name, wire_code(&f),
            v->code);
  CHECK_MSG(f.size > 2 + 10, "%s: no sentence", v->name);
  uint8_t sentence[125];
  size_t size = f.size - 2;
  memcpy(sentence, f.data + 2, size);
  CHECK_SOON(w, p->ended);
  CHECK_INT(peer_waiting(p), 0);
  CHECK_INT(world_told(w, LWSN_RECORD_CLOSING), closed + 1);
  peer_close(p);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_CLOSED) == closed + 1);
  const event *e = world_last(w, LWSN_RECORD_CLOSED);
  CHECK_INT(e->detail, 1006);
  CHECK_INT(e->extra, 0);
  CHECK_MSG(e->size == size && memcmp(e->data, sentence, size) == 0, "%s: told \"%s\"", v->name, e->data);
}

static void each_violation_fails_the_connection_with_its_code(void) {
  world w;
  begin(&w);
  for (size_t i = 0; i < COUNT; i++) {
    peer *p = wire_open(&w, NULL);
    peer_send(p, violations[i].bytes, violations[i].size);
    expect_failed(&w, p, &violations[i], i);
  }
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT) + world_told(&w, LWSN_RECORD_BINARY), 0);
  CHECK_INT(w.server->stats.connections, 0);
  CHECK(world_end(&w));
}

static void also_byte_by_byte(void) {
  world w;
  begin(&w);
  for (size_t i = 0; i < COUNT; i++) {
    peer *p = wire_open(&w, NULL);
    CHECK(peer_drip(p, violations[i].bytes, violations[i].size, 1));
    expect_failed(&w, p, &violations[i], i);
  }
  CHECK(world_end(&w));
}

static void what_came_before_is_told_and_what_follows_is_not(void) {
  world w;
  begin(&w);
  for (size_t i = 0; i < COUNT; i++) {
    uint8_t bytes[256];
    peer *p = wire_open(&w, NULL);
    size_t n = wire_frame(bytes, WIRE_TEXT, "good", 4);
    memcpy(bytes + n, violations[i].bytes, violations[i].size);
    n += violations[i].size;
    n += wire_frame(bytes + n, WIRE_TEXT, "never told", 10);
    n += wire_frame(bytes + n, WIRE_PING, "never answered", 14);
    peer_send(p, bytes, n);
    expect_failed(&w, p, &violations[i], i);
    CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), i + 1);
    CHECK_BYTES(world_last(&w, LWSN_RECORD_TEXT)->data, world_last(&w, LWSN_RECORD_TEXT)->size, "good");
  }
  CHECK(world_end(&w));
}

static void a_continuation_of_a_fragmented_message_that_ended_is_a_violation(void) {
  static const violation third = {"a third frame", BYTES("\x80\x80" MASK), 1002};
  world w;
  begin(&w);
  peer *p = wire_open(&w, NULL);
  wire_send(p, 0x01, "a", 1);
  wire_send(p, 0x80, "b", 1);
  peer_send(p, third.bytes, third.size);
  expect_failed(&w, p, &third, 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), 1);
  CHECK(world_end(&w));
}

static void a_length_over_maxPayload_is_refused_before_its_payload_comes(void) {
  static const violation frames[] = {
      {"a frame", BYTES("\x82\xfe\x07\xd1" MASK), 1009},
      {"a second fragment", BYTES("\x02\xfe\x07\xcf" MASK), 1009},
  };
  static const uint8_t zeros[1999], second[] = "\x80\x82" MASK;
  for (int i = 0; i < 2; i++) {
    world w;
    begin(&w);
    peer *p = wire_open(&w, NULL);
    peer_send(p, frames[i].bytes, frames[i].size);
    if (i == 1) {
      peer_send(p, zeros, sizeof zeros);
      peer_send(p, second, sizeof second - 1);
    }
    expect_failed(&w, p, &frames[i], 0);
    CHECK(world_end(&w));
  }
}

static void exactly_maxPayload_is_allowed(void) {
  static const uint8_t zeros[2000];
  world w;
  begin(&w);
  peer *p = wire_open(&w, NULL);
  wire_send(p, WIRE_BINARY, zeros, 2000);
  wire_send(p, 0x02, zeros, 1000);
  wire_send(p, 0x80, zeros, 1000);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == 2);
  CHECK(world_end(&w));
}

static void bad_UTF8_fails_at_once_and_not_at_the_end_of_its_frame(void) {
  static const violation cut = {"a frame of 100 bytes that goes wrong in the third", BYTES("\x81\xe4" MASK "ab\xff"),
                                1007};
  for (size_t step = 1; step <= cut.size; step += cut.size - 1) {
    world w;
    begin(&w);
    peer *p = wire_open(&w, NULL);
    CHECK(peer_drip(p, cut.bytes, cut.size, step));
    expect_failed(&w, p, &cut, 0);
    CHECK(world_end(&w));
  }
}

static void a_peer_that_never_ends_after_a_violation_is_dropped_after_closeTimeout(void) {
  lwsn_server_options options = world_options();
  options.close_timeout = 1000;
  world w;
  world_begin(&w, &options);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  peer_send(p, BYTES("\x83\x80" MASK));
  CHECK_SOON(&w, p->ended);
  CHECK_AFTER(&w, 1000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  const event *e = world_last(&w, LWSN_RECORD_CLOSED);
  CHECK_BYTES(e->data, e->size, "a frame has a reserved opcode");
  CHECK(world_end(&w));
}

static void a_flood_behind_a_violation_is_read_over_and_costs_nothing(void) {
  enum { SIZE = 8 * 1024 * 1024 };
  world w;
  begin(&w);
  peer *p = wire_open(&w, NULL);
  peer_send(p, BYTES("\x83\x80" MASK));
  uint8_t *flood = calloc(1, SIZE);
  peer_send(p, flood, SIZE);
  free(flood);
  CHECK_SOON(&w, p->out_size == 0 && p->ended);
  frame f;
  CHECK(wire_next(p, &f) && wire_code(&f) == 1002);
  peer_finish(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK(world_end(&w));
}

int main(void) {
  each_violation_fails_the_connection_with_its_code();
  also_byte_by_byte();
  what_came_before_is_told_and_what_follows_is_not();
  a_continuation_of_a_fragmented_message_that_ended_is_a_violation();
  a_length_over_maxPayload_is_refused_before_its_payload_comes();
  exactly_maxPayload_is_allowed();
  bad_UTF8_fails_at_once_and_not_at_the_end_of_its_frame();
  a_peer_that_never_ends_after_a_violation_is_dropped_after_closeTimeout();
  a_flood_behind_a_violation_is_read_over_and_costs_nothing();
  return check_report();
}
