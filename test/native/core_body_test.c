/* Bodies of requests: with a length and chunked, held until they are wanted, bounded in every turn. */
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNKS "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n"

/* The body told so far, joined; `data` holds the beginning. */
typedef struct body {
  uint8_t data[64];
  size_t size;
  unsigned finals;
} body;

static body body_of(const world *w) {
  body b = {.size = 0};
  const event *e;
  for (size_t i = 0; (e = world_nth(w, LWSN_RECORD_BODY, i)); i++) {
    b.finals += e->detail == 1;
    if (e->size > 0 && b.size + e->size <= sizeof b.data) memcpy(b.data + b.size, e->data, e->size);
    b.size += e->size;
  }
  return b;
}

static lwsn_handle post(world *w, peer *p, const char *text) {
  unsigned long told = world_told(w, LWSN_RECORD_REQUEST);
  peer_say(p, text);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_REQUEST) > told);
  const event *e = world_last(w, LWSN_RECORD_REQUEST);
  return e ? e->handle : (lwsn_handle){0, 0};
}

static void a_body_is_held_until_it_is_wanted_then_told_once(void) {
  static const char *const bodies[] = {POST "Content-Length: 11\r\n\r\nhello world", CHUNKED CHUNKS};
  for (size_t i = 0; i < 2; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    lwsn_handle handle = post(&w, p, bodies[i]);
    world_run(&w, 10);
    CHECK_INT(world_told(&w, LWSN_RECORD_BODY), 0);
    out_tell(&w, handle, LWSN_OUT_RESUME);
    CHECK_SOON(&w, body_of(&w).finals == 1);
    body b = body_of(&w);
    CHECK_BYTES(b.data, b.size, "hello world");
    out_response(&w, handle, "200 OK", "ok", true);
    response r;
    CHECK_SOON(&w, wire_response(p, &r));
    post(&w, p, WIRE_GET);
    CHECK(world_end(&w));
  }
}

static void a_chunked_body_may_come_in_any_two_pieces(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  size_t size = sizeof CHUNKS - 1;
  for (size_t split = 0; split < size; split++) {
    response r;
    world_forget(&w);
    post(&w, p, CHUNKED);
    if (split > 0) CHECK(peer_drip(p, CHUNKS, split, split));
    peer_send(p, CHUNKS + split, size - split);
    CHECK_SOON(&w, wire_response(p, &r));
    body b = body_of(&w);
    CHECK_BYTES(b.data, b.size, "hello world");
    CHECK_INT(b.finals, 1);
  }
  CHECK_INT(w.server->stats.transports, 1);
  CHECK(world_end(&w));
}

static void a_body_may_come_byte_by_byte(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  response r;
  CHECK(peer_drip(p, CHUNKED CHUNKS, sizeof CHUNKED CHUNKS - 1, 1));
  CHECK_SOON(&w, wire_response(p, &r));
  body b = body_of(&w);
  CHECK_BYTES(b.data, b.size, "hello world");
  CHECK(world_end(&w));
}

static void requests_with_bodies_may_be_pipelined(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  for (int i = 0; i < 20; i++) peer_say(p, CHUNKED CHUNKS POST "Content-Length: 3\r\n\r\nabc" WIRE_GET);
  for (int i = 0; i < 60; i++) {
    response r;
    CHECK_SOON(&w, wire_response(p, &r));
    CHECK_INT(r.status, 200);
  }
  CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), 60);
  CHECK(world_end(&w));
}

static void a_malformed_body_ends_the_exchange_with_400(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = post(&w, p, CHUNKED "5\r\nhello\r\nnonsense\r\n");
  out_tell(&w, handle, LWSN_OUT_RESUME);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 400);
  const event *e = world_nth(&w, LWSN_RECORD_GONE, 0);
  CHECK(e && e->detail == LWSN_GONE_BODY);
  CHECK_SOON(&w, p->ended);
  out_response(&w, handle, "200 OK", "too late", true);
  world_run(&w, 5);
  CHECK_INT(peer_waiting(p), 0);
  CHECK(world_end(&w));
}

static void a_response_before_the_end_of_the_body_ends_the_transport(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = post(&w, p, POST "Content-Length: 100\r\n\r\nhello");
  out_response(&w, handle, "413 Content Too Large", "no", true);
  response r;
  CHECK_SOON(&w, p->ended);
  CHECK(wire_response(p, &r));
  peer_say(p, "and the rest of it");
  peer_finish(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BODY), 0);
  CHECK(world_end(&w));
}

static void a_body_that_stops_coming_is_over_after_idleTimeout_but_not_while_we_hold_it(void) {
  lwsn_server_options options = world_options();
  options.idle_timeout = 600;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  lwsn_handle handle = post(&w, p, POST "Content-Length: 10\r\n\r\nhello");
  world_pass(&w, 1700);
  CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
  out_tell(&w, handle, LWSN_OUT_RESUME);
  lwsn_outbound_flush(w.context);
  world_pass(&w, 300);
  CHECK(peer_drip(p, "w", 1, 1));
  CHECK_AFTER(&w, 600, world_told(&w, LWSN_RECORD_GONE) > 0);
  CHECK_INT(world_nth(&w, LWSN_RECORD_GONE, 0)->detail, LWSN_GONE_TIMEOUT);
  CHECK_SOON(&w, p->ended || p->error);
  CHECK(world_end(&w));
}

static void a_response_that_nobody_reads_is_over_after_idleTimeout_counted_from_its_start(void) {
  lwsn_server_options options = world_options();
  options.idle_timeout = 600;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  lwsn_handle handle = post(&w, p, WIRE_GET);
  peer_read(p, false);
  world_pass(&w, 1100); /* a handler may take its time: the peer is not the one who waits */
  static uint8_t data[8 * 1024 * 1024];
  lwsn_outbound_send(w.context, handle, LWSN_OPCODE_RAW, data, sizeof data);
  CHECK(out_queued(&w, handle) > 0);
  CHECK_AFTER(&w, 600, world_told(&w, LWSN_RECORD_GONE) > 0);
  CHECK_INT(world_nth(&w, LWSN_RECORD_GONE, 0)->detail, LWSN_GONE_TIMEOUT);
  CHECK(world_end(&w));
}

/* Counts what one batch carries. */
static void count_batch(world *w, const event *e) {
  size_t *most = w->user;
  if (w->context->services.inbound.batch_bytes > *most) *most = w->context->services.inbound.batch_bytes;
  (void)e;
}

static void a_large_body_arrives_whole_in_batches_of_bounded_size(void) {
  enum { SIZE = 24 * 1024 * 1024 };
  world w;
  size_t most = 0;
  world_begin(&w, NULL);
  w.responds = true;
  w.react = count_batch;
  w.user = &most;
  peer *p = peer_open(&w);
  uint8_t *data = malloc(SIZE);
  wire_fill(data, SIZE);
  post(&w, p, POST "Content-Length: 25165824\r\n\r\n");
  peer_send(p, data, SIZE);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  size_t at = 0;
  bool same = true;
  const event *e;
  for (size_t i = 0; i < w.event_count; i++) {
    e = &w.events[i];
    if (e->kind != LWSN_RECORD_BODY) continue;
    same = same && at + e->size <= SIZE && memcmp(e->data, data + at, e->size) == 0;
    at += e->size;
  }
  CHECK(same && at == SIZE);
  CHECK(most <= 4 * 1024 * 1024 + LWSN_SCRATCH_SIZE);
  free(data);
  CHECK(world_end(&w));
}

static void a_body_that_finds_the_ring_full_goes_on_in_the_next_batch(void) {
  enum { PIECES = 6000 }; /* chunks of one byte: a record each, more than the ring holds */
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = post(&w, p, CHUNKED);
  char *chunks = malloc(PIECES * 6 + 6);
  for (int i = 0; i < PIECES; i++) memcpy(chunks + 6 * i, "1\r\nx\r\n", 6);
  memcpy(chunks + 6 * PIECES, "0\r\n\r\n", 6);
  peer_send(p, chunks, 6 * PIECES + 5);
  free(chunks);
  world_run(&w, 10);
  out_tell(&w, handle, LWSN_OUT_RESUME);
  CHECK_SOON(&w, body_of(&w).finals == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BODY), PIECES + 1);
  CHECK(world_end(&w));
}

static void a_body_may_be_paused_and_goes_on_where_it_was(void) {
  enum { SIZE = 4 * 1024 * 1024 };
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = post(&w, p, POST "Content-Length: 4194304\r\n\r\n");
  uint8_t *data = malloc(SIZE);
  wire_fill(data, SIZE);
  peer_send(p, data, SIZE);
  size_t told = 0;
  for (int i = 0; i < 4; i++) {
    out_tell(&w, handle, LWSN_OUT_RESUME);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BODY) > told);
    out_tell(&w, handle, LWSN_OUT_PAUSE);
    lwsn_outbound_flush(w.context);
    told = world_told(&w, LWSN_RECORD_BODY) + w.context->services.inbound.count;
    world_run(&w, 5);
    CHECK_INT(world_told(&w, LWSN_RECORD_BODY), told);
  }
  out_tell(&w, handle, LWSN_OUT_RESUME);
  CHECK_SOON(&w, body_of(&w).finals == 1);
  size_t at = 0;
  bool same = true;
  for (size_t i = 0; i < w.event_count; i++) {
    const event *e = &w.events[i];
    if (e->kind != LWSN_RECORD_BODY) continue;
    same = same && at + e->size <= SIZE && memcmp(e->data, data + at, e->size) == 0;
    at += e->size;
  }
  CHECK(same && at == SIZE);
  free(data);
  CHECK(world_end(&w));
}

int main(void) {
  a_body_is_held_until_it_is_wanted_then_told_once();
  a_chunked_body_may_come_in_any_two_pieces();
  a_body_may_come_byte_by_byte();
  requests_with_bodies_may_be_pipelined();
  a_malformed_body_ends_the_exchange_with_400();
  a_response_before_the_end_of_the_body_ends_the_transport();
  a_body_that_stops_coming_is_over_after_idleTimeout_but_not_while_we_hold_it();
  a_response_that_nobody_reads_is_over_after_idleTimeout_counted_from_its_start();
  a_large_body_arrives_whole_in_batches_of_bounded_size();
  a_body_that_finds_the_ring_full_goes_on_in_the_next_batch();
  a_body_may_be_paused_and_goes_on_where_it_was();
  return check_report();
}
