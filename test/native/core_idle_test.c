/*
 * What a connection allocated for a message, a frame, a head, is given back: in whatever way that ended, an idle
 * connection is at its idle size, and one that waits for its end not above it.
 */
#include <malloc.h>
#include <stdlib.h>
#include <zlib.h>

#include "check.h"
#include "context/context.h"
#include "crossing/outbound.h"
#include "http/exchange.h"
#include "out.h"
#include "websocket/connection.h"
#include "wire.h"

enum {
  MB = 1024 * 1024,
  SLACK = 4096, /* of malloc, the harness and tables */
  DEFLATE = LWSN_CONNECTION_DEFLATE | 15 << LWSN_CONNECTION_OWN_WINDOW | 15 << LWSN_CONNECTION_PEER_WINDOW |
            1 << LWSN_CONNECTION_LEVEL | 8 << LWSN_CONNECTION_MEM_LEVEL,
  COMPRESSED = 0x40,
};

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static world w;
static peer *p;
static lwsn_handle handle;
static uint8_t content[MB], packed[MB + 64];

/* 0 where nobody counts, as under valgrind, which looks for leaks itself. */
static size_t allocated(void) {
  if (__sanitizer_get_current_allocated_bytes) return __sanitizer_get_current_allocated_bytes();
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/* What the thread keeps for the next message of anybody. */
static size_t pooled(void) {
  const lwsn_inbound *in = &w.context->services.inbound;
  return in->small_pool->idle_bytes + in->large_pool->idle_bytes + in->own_pool->idle_bytes;
}

/* Without what is pooled, and without the harness's own: its log, what its peers have read and sent. */
static size_t live(void) {
  for (int i = 0; i < 3; i++) world_run(&w, 1);
  world_forget(&w);
  for (peer *each = w.peers; each; each = each->next) {
    free(each->in);
    each->in = NULL;
    each->in_size = each->in_capacity = each->in_taken = 0;
    if (each->out_done < each->out_size) continue;
    free(each->out);
    each->out = NULL;
    each->out_size = each->out_done = 0;
  }
  size_t bytes = allocated();
  return bytes > 0 ? bytes - pooled() : 0;
}

/* The peer's end was told once more than `before`. */
static void expect_closing(unsigned long before) { CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSING) == before + 1); }

static lwsn_connection *connection(void) {
  lwsn_transport *t = lwsn_registry_get(&w.context->services.registry, handle);
  return t ? t->connection : NULL;
}

static unsigned long received(void) { return (unsigned long)w.server->stats.messages_received; }

/* Sends one message and waits until it was told. */
static void message(unsigned first, const void *data, size_t size) {
  unsigned long before = received();
  wire_send(p, first, data, size);
  CHECK_SOON(&w, received() == before + 1);
}

/* Sends part of a frame that announces `size` bytes, and waits until it is parsed. */
static void begin(unsigned first, size_t size, size_t part) {
  uint8_t *bytes = malloc(size + WIRE_HEADER_MAX);
  wire_frame(bytes, first, content, size);
  CHECK(peer_drip(p, bytes, part, part));
  free(bytes);
}

/* A message of zeroes as a raw stream without its end (RFC 7692 7.2.1). */
static size_t pack(size_t size) {
  z_stream z = {0};
  deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  z.next_in = content;
  z.avail_in = (uInt)size;
  z.next_out = packed;
  z.avail_out = sizeof packed;
  deflate(&z, Z_SYNC_FLUSH);
  deflateEnd(&z);
  return sizeof packed - z.avail_out - 4;
}

static void a_small_message(void) { message(WIRE_BINARY, content, 100); }

static void messages_that_land(void) {
  for (int i = 0; i < 4; i++) message(WIRE_BINARY, content, 20000);
}

static void a_message_in_pieces(void) {
  begin(WIRE_BINARY, 300 * 1024, 300 * 1024 + 14);
  message(WIRE_TEXT, content, MB);
}

static void a_fragmented_message(void) {
  wire_send(p, 0x02, content, 100000);
  wire_send(p, 0x00, content, 100000);
  message(0x80, content, 100000);
}

static void a_compressed_message(void) { message(WIRE_BINARY | COMPRESSED, packed, pack(MB)); }

static void a_compressed_message_in_two_frames(void) {
  size_t size = pack(MB);
  wire_send(p, 0x02 | COMPRESSED, packed, size / 2);
  message(0x80, packed + size / 2, size - size / 2);
}

static void half_a_compressed_message(void) {
  unsigned long before = (unsigned long)w.server->stats.bytes_received;
  size_t size = pack(MB);
  wire_send(p, 0x02 | COMPRESSED, packed, size);
  CHECK_SOON(&w, w.server->stats.bytes_received > before + size);
}

static void a_large_compressed_answer(void) {
  wire_fill(content, MB);
  out_message(&w, handle, 2, content, MB);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  memset(content, 0, MB);
}

static void a_control_frame_in_pieces(void) {
  uint8_t bytes[200];
  frame f;
  peer_drip(p, bytes, wire_frame(bytes, WIRE_PING, content, 125), 1);
  CHECK_SOON(&w, wire_next(p, &f));
}

static void output_behind_a_full_socket(void) {
  peer_read(p, false);
  for (int i = 0; i < 200 && out_queued(&w, handle) < MB; i++) out_message(&w, handle, 2, content, MB / 2);
  wire_send(p, WIRE_PING, content, 50);
  CHECK_SOON(&w, connection()->pong != NULL);
  peer_read(p, true);
  CHECK_SOON(&w, out_queued(&w, handle) == 0);
  CHECK_SOON(&w, connection()->pong == NULL);
}

static void input_behind_a_pause(void) {
  unsigned long before = received();
  for (int i = 0; i < 5000; i++) wire_send(p, WIRE_BINARY, content, 1);
  out_tell(&w, handle, LWSN_OUT_PAUSE);
  world_run(&w, 5);
  out_tell(&w, handle, LWSN_OUT_RESUME);
  CHECK_SOON(&w, received() == before + 5000);
}

static void a_burst_of_texts(void) {
  unsigned long before = received();
  for (int i = 0; i < 100; i++) wire_send(p, WIRE_TEXT, content, 100000);
  CHECK_SOON(&w, received() == before + 100);
}

/* From here on: what ends the connection while a message is half read. */

static void our_close_inside_a_message(void) {
  begin(WIRE_BINARY, MB, MB / 2);
  out_close(&w, handle, 1000, NULL);
  CHECK_SOON(&w, connection() && connection()->close_sent);
}

static void our_close_inside_a_compressed_message(void) {
  half_a_compressed_message();
  out_close(&w, handle, 1000, NULL);
  CHECK_SOON(&w, connection() && connection()->close_sent);
}

static void the_peers_close_inside_a_message(void) {
  unsigned long before = world_told(&w, LWSN_RECORD_CLOSING);
  wire_send(p, 0x02, content, MB / 2);
  wire_close(p, 1000, NULL);
  expect_closing(before);
}

static void a_violation_inside_a_message(void) {
  unsigned long before = world_told(&w, LWSN_RECORD_CLOSING);
  wire_send(p, 0x02, content, MB / 2);
  wire_send(p, WIRE_BINARY, content, 1);
  expect_closing(before);
}

static void a_bad_compressed_message(void) {
  unsigned long before = world_told(&w, LWSN_RECORD_CLOSING);
  half_a_compressed_message();
  wire_send(p, 0x80, "\xff\xff\xff", 3);
  expect_closing(before);
}

typedef struct state {
  const char *name;
  void (*act)(void);
  unsigned flags;
  size_t more; /* bytes it may keep: an inflater, a compressor */
} state;

enum { INFLATER = 48 * 1024, COMPRESSOR = 320 * 1024 };

static const state states[] = {
    {"a small message", a_small_message, 0, 0},
    {"a lent message", a_small_message, LWSN_CONNECTION_TRANSIENT, 0},
    {"messages that land", messages_that_land, 0, 0},
    {"lent messages that land", messages_that_land, LWSN_CONNECTION_TRANSIENT, 0},
    {"a message in pieces", a_message_in_pieces, 0, 0},
    {"a message in pieces, told in fragments", a_message_in_pieces, LWSN_CONNECTION_FRAGMENTS, 0},
    {"a fragmented message", a_fragmented_message, 0, 0},
    {"a fragmented message, told in fragments", a_fragmented_message, LWSN_CONNECTION_FRAGMENTS, 0},
    {"a compressed message", a_compressed_message, DEFLATE, 0},
    {"a compressed message with takeover", a_compressed_message, DEFLATE | LWSN_CONNECTION_PEER_TAKEOVER, INFLATER},
    {"a compressed message, told in fragments", a_compressed_message, DEFLATE | LWSN_CONNECTION_FRAGMENTS, 0},
    {"a compressed message in two frames", a_compressed_message_in_two_frames, DEFLATE, 0},
    {"a compressed message in two frames, told in fragments", a_compressed_message_in_two_frames,
     DEFLATE | LWSN_CONNECTION_FRAGMENTS, 0},
    {"half a compressed message, told in fragments", half_a_compressed_message, DEFLATE | LWSN_CONNECTION_FRAGMENTS,
     INFLATER},
    {"a large compressed answer", a_large_compressed_answer, DEFLATE, 0},
    {"a large compressed answer with takeover", a_large_compressed_answer, DEFLATE | LWSN_CONNECTION_OWN_TAKEOVER,
     COMPRESSOR},
    {"a control frame in pieces", a_control_frame_in_pieces, 0, 0},
    {"output behind a full socket", output_behind_a_full_socket, 0, 0},
    {"input behind a pause", input_behind_a_pause, 0, 0},
    {"a burst of texts", a_burst_of_texts, 0, 0},
    {"our close inside a message", our_close_inside_a_message, 0, 0},
    {"our close inside a compressed message", our_close_inside_a_compressed_message, DEFLATE, 0},
    {"our close inside a compressed message, told in fragments", our_close_inside_a_compressed_message,
     DEFLATE | LWSN_CONNECTION_FRAGMENTS, 0},
    {"the peer's close inside a message", the_peers_close_inside_a_message, 0, 0},
    {"a violation inside a message", a_violation_inside_a_message, 0, 0},
    {"a bad compressed message", a_bad_compressed_message, DEFLATE, 0},
};

static void expect_idle(const state *s, size_t idle) {
  size_t now = live();
  CHECK_MSG(now <= idle + s->more + SLACK, "%s leaves %zu bytes", s->name, now > idle ? now - idle : 0);
  CHECK_INT(w.context->services.inbound.expected_bytes, 0);
  const lwsn_connection *c = connection();
  if (!c) return;
  CHECK_MSG(!c->rx.message_data && !c->rx.message_slab && !c->rx.control, "%s leaves a buffer", s->name);
  CHECK_MSG(!c->transport->backlog && !c->transport->queue.first && !c->pong, "%s leaves what waited", s->name);
}

/* Once on a connection of its own, so that what the thread keeps for all is there; then it is measured. */
static void after_each_state_a_connection_is_at_its_idle_size(void) {
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    const state *s = &states[i];
    world_begin(&w, NULL);
    w.accepts = true;
    w.accept_flags = s->flags;
    p = wire_open(&w, &handle);
    s->act();
    unsigned long closed = (unsigned long)w.server->stats.closed;
    peer_reset(p);
    CHECK_SOON(&w, w.server->stats.closed == closed + 1);
    p = wire_open(&w, &handle);
    size_t idle = live();
    s->act();
    expect_idle(s, idle);
    CHECK(world_end(&w));
  }
}

static void what_a_thread_compressed_last_does_not_stay(void) {
  world_begin(&w, NULL);
  w.accepts = true;
  w.accept_flags = DEFLATE;
  p = wire_open(&w, &handle);
  size_t idle = live();
  a_large_compressed_answer();
  size_t now = live();
  CHECK_MSG(now <= idle + COMPRESSOR + 128 * 1024 + SLACK, "a compressed answer leaves %zu bytes", now - idle);
  CHECK(world_end(&w));
}

static void large_head(const char *start, const char *end) {
  memset(content, 'a', 3500);
  peer_say(p, start);
  peer_say(p, "X: ");
  peer_send(p, content, 3500);
  peer_say(p, end);
  memset(content, 0, 3500);
}

static void a_request_is_over_when_it_was_answered(void) {
  world_begin(&w, NULL);
  w.accepts = w.responds = true;
  response r;
  size_t idle = 0;
  for (int round = 0; round < 3; round++) {
    p = peer_open(&w);
    large_head("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n", "\r\n\r\n");
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == (unsigned long)round + 1);
    out_tell(&w, world_last(&w, LWSN_RECORD_REQUEST)->handle, LWSN_OUT_RESUME);
    peer_say(p, "20000\r\n");
    peer_send(p, content, 0x20000);
    peer_say(p, "\r\n0\r\n\r\n");
    CHECK_SOON(&w, wire_response(p, &r));
    size_t now = live();
    /* one more transport each round, which keeps its connection alive */
    if (round == 1) idle = now;
    if (round == 2) CHECK_MSG(now <= idle + SLACK, "a request leaves %zu bytes", now - idle);
  }
  CHECK(world_end(&w));
}

static void a_head_is_over_when_it_was_taken_or_refused(void) {
  static const char *const ends[] = {"\r\n\r\n", "\r\nbad header\r\n\r\n"};
  for (size_t i = 0; i < 2; i++) {
    world_begin(&w, NULL);
    w.accepts = true;
    size_t idle = 0;
    for (int round = 0; round < 3; round++) {
      p = peer_open(&w);
      large_head("GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                 ends[i]);
      response r;
      CHECK_SOON(&w, wire_response(p, &r));
      CHECK_INT(r.status, i == 0 ? 101 : 400);
      size_t now = live();
      if (round == 1) idle = now;
      if (round == 2) CHECK_MSG(now <= idle + SLACK, "a head leaves %zu bytes", now - idle);
    }
    CHECK(world_end(&w));
  }
}

int main(void) {
  after_each_state_a_connection_is_at_its_idle_size();
  what_a_thread_compressed_last_does_not_stay();
  a_request_is_over_when_it_was_answered();
  a_head_is_over_when_it_was_taken_or_refused();
  return check_report();
}
