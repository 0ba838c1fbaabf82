/* Plain HTTP requests: heads in every split, pipelining, keep-alive, and how an exchange ends. */
#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "http/exchange.h"
#include "net/listener.h"
#include "net/transports.h"
#include "out.h"
#include "wire.h"

enum { GET_SIZE = sizeof WIRE_GET - 1 };

static const char *head_of(const event *e) { return (const char *)e->data + sizeof(lwsn_request_prefix); }

static size_t head_size(const event *e) { return e->size - sizeof(lwsn_request_prefix); }

static void a_request_is_told_with_its_head_and_the_address_of_the_peer(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  const event *e = world_last(&w, LWSN_RECORD_REQUEST);
  CHECK_BYTES(head_of(e), head_size(e), WIRE_GET);
  CHECK_INT(e->detail, LWSN_REQUEST_KEEP_ALIVE);
  CHECK_INT(e->extra, w.server->id);
  const lwsn_request_prefix *prefix = (const lwsn_request_prefix *)e->data;
  static const uint8_t loopback[4] = {127, 0, 0, 1};
  CHECK_INT(prefix->peer.family, 4);
  CHECK(memcmp(prefix->peer.address, loopback, 4) == 0);
  CHECK(prefix->peer.port != 0);
  CHECK(world_end(&w));
}

static void the_flags_of_a_request_say_what_it_is(void) {
  static const struct {
    const char *head;
    unsigned flags;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", LWSN_REQUEST_KEEP_ALIVE},
      {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", LWSN_REQUEST_KEEP_ALIVE | LWSN_REQUEST_HEAD},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 0},
      {"GET / HTTP/1.0\r\n\r\n", LWSN_REQUEST_HTTP10},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", LWSN_REQUEST_HTTP10 | LWSN_REQUEST_KEEP_ALIVE},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", LWSN_REQUEST_KEEP_ALIVE | LWSN_REQUEST_BODY},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", LWSN_REQUEST_KEEP_ALIVE},
      {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", LWSN_REQUEST_KEEP_ALIVE | LWSN_REQUEST_BODY},
      {"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
       LWSN_REQUEST_KEEP_ALIVE | LWSN_REQUEST_BODY | LWSN_REQUEST_EXPECT_CONTINUE},
      {WIRE_UPGRADE, LWSN_REQUEST_KEEP_ALIVE | LWSN_REQUEST_UPGRADE},
  };
  world w;
  world_begin(&w, NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    peer *p = peer_open(&w);
    peer_say(p, cases[i].head);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == i + 1);
    CHECK_MSG(world_last(&w, LWSN_RECORD_REQUEST)->detail == cases[i].flags, "flags %u of %s",
              world_last(&w, LWSN_RECORD_REQUEST)->detail, cases[i].head);
  }
  CHECK(world_end(&w));
}

static void a_head_may_come_in_any_two_pieces(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  for (size_t split = 1; split < GET_SIZE; split++) {
    response r;
    CHECK(peer_drip(p, WIRE_GET, split, split));
    CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), split - 1);
    peer_send(p, WIRE_GET + split, GET_SIZE - split);
    CHECK_SOON(&w, wire_response(p, &r));
    CHECK_INT(r.status, 200);
    const event *e = world_last(&w, LWSN_RECORD_REQUEST);
    CHECK_BYTES(head_of(e), head_size(e), WIRE_GET);
  }
  CHECK_INT(w.server->stats.transports, 1);
  CHECK(world_end(&w));
}

static void a_head_may_come_byte_by_byte(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  response r;
  CHECK(peer_drip(p, "\r\n" WIRE_GET, GET_SIZE + 2, 1));
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 200);
  CHECK(world_end(&w));
}

static void pipelined_requests_are_told_one_by_one_each_after_the_response_before(void) {
  enum { COUNT = 200 };
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  char head[64];
  for (int i = 0; i < COUNT; i++) {
    snprintf(head, sizeof head, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    peer_say(p, head);
  }
  for (int i = 0; i < COUNT; i++) {
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == (unsigned)i + 1);
    world_run(&w, i < 3 ? 5 : 0);
    CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), i + 1);
    const event *e = world_last(&w, LWSN_RECORD_REQUEST);
    snprintf(head, sizeof head, "GET /%d HTTP", i);
    CHECK(memcmp(head_of(e), head, strlen(head)) == 0);
    snprintf(head, sizeof head, "answer %d", i);
    out_response(&w, e->handle, "200 OK", head, true);
  }
  for (int i = 0; i < COUNT; i++) {
    response r;
    CHECK_SOON(&w, wire_response(p, &r));
    snprintf(head, sizeof head, "answer %d", i);
    CHECK_MSG(r.body_size == strlen(head) && memcmp(r.body, head, r.body_size) == 0, "the body of response %d", i);
  }
  CHECK_INT(w.server->stats.requests, COUNT);
  CHECK(world_end(&w));
}

static void kept_alive_requests_share_their_transport(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  response r;
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, wire_response(p, &r));
  lwsn_handle first = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, wire_response(p, &r));
  lwsn_handle second = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  CHECK(first.slot == second.slot && first.generation == second.generation);
  CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
  CHECK(world_end(&w));
}

static void a_transport_that_may_not_be_kept_ends_behind_its_response(void) {
  static const char *const heads[] = {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                      "GET / HTTP/1.0\r\n\r\n"};
  world w;
  world_begin(&w, NULL);
  w.responds = true; /* and asks for keep-alive each time */
  for (unsigned i = 0; i < 2; i++) {
    peer *p = peer_open(&w);
    peer_say(p, heads[i]);
    response r;
    CHECK_SOON(&w, p->ended);
    CHECK(wire_response(p, &r));
    CHECK_INT(world_told(&w, LWSN_RECORD_GONE), i);
    peer_close(p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == i + 1);
  }
  CHECK_INT(w.server->stats.transports, 0);
  CHECK(world_end(&w));
}

static void the_other_side_may_end_a_transport_behind_any_response(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  out_response(&w, world_last(&w, LWSN_RECORD_REQUEST)->handle, "200 OK", "the only one", false);
  response r;
  CHECK_SOON(&w, p->ended);
  CHECK(wire_response(p, &r));
  CHECK(!wire_response(p, &r));
  CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), 1);
  CHECK(world_end(&w));
}

static void a_large_response_arrives_whole_and_FLUSHED_tells_that_it_left(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_read(p, false);
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  lwsn_handle handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  static uint8_t body[8 * 1024 * 1024];
  wire_fill(body, sizeof body);
  out_raw(&w, handle, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
  double waits = lwsn_outbound_send(w.context, handle, LWSN_OPCODE_RAW, body, sizeof body);
  CHECK(waits > 0 && waits == out_queued(&w, handle));
  world_run(&w, 5);
  CHECK_INT(world_told(&w, LWSN_RECORD_FLUSHED), 0);
  peer_read(p, true);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_FLUSHED) == 1);
  CHECK_INT(out_queued(&w, handle), 0);
  out_end(&w, handle, true);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK(r.body_size == sizeof body && memcmp(r.body, body, sizeof body) == 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_FLUSHED), 1);
  CHECK(world_end(&w));
}

static void a_response_that_is_over_cannot_be_added_to(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  lwsn_handle handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  out_response(&w, handle, "200 OK", "once", true);
  out_end(&w, handle, false); /* belongs to no response */
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 2);
  CHECK(!p->ended);
  CHECK(world_end(&w));
}

static void a_draining_server_ends_idle_transports_now_and_the_others_behind_their_response(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *connected = wire_open(&w, NULL);
  peer *silent = peer_open(&w);
  peer *busy = peer_open(&w);
  peer_say(busy, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 2 && w.server->stats.transports == 3);
  lwsn_handle handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  lwsn_listener_close_all(w.server);
  lwsn_server_drain(w.server);
  CHECK_SOON(&w, silent->ended);
  CHECK(!busy->ended);
  response r;
  out_response(&w, handle, "200 OK", "the last one", true);
  CHECK_SOON(&w, busy->ended);
  CHECK(wire_response(busy, &r));
  CHECK(!connected->ended);
  CHECK_INT(world_told(&w, LWSN_RECORD_EMPTY), 0);
  peer_close(silent);
  peer_close(busy);
  peer_close(connected);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_EMPTY) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_EMPTY)->extra, w.server->id);
  CHECK(world_end(&w));
}

static void draining_a_server_without_transports_tells_EMPTY_though_nothing_else_keeps_the_loop_alive(void) {
  world w;
  world_begin(&w, NULL);
  lwsn_listener_close_all(w.server);
  uv_run(&w.loop, UV_RUN_DEFAULT);
  lwsn_server_drain(w.server);
  uv_run(&w.loop, UV_RUN_DEFAULT);
  CHECK_INT(world_told(&w, LWSN_RECORD_EMPTY), 1);
  CHECK(world_end(&w));
}

int main(void) {
  a_request_is_told_with_its_head_and_the_address_of_the_peer();
  the_flags_of_a_request_say_what_it_is();
  a_head_may_come_in_any_two_pieces();
  a_head_may_come_byte_by_byte();
  pipelined_requests_are_told_one_by_one_each_after_the_response_before();
  kept_alive_requests_share_their_transport();
  a_transport_that_may_not_be_kept_ends_behind_its_response();
  the_other_side_may_end_a_transport_behind_any_response();
  a_large_response_arrives_whole_and_FLUSHED_tells_that_it_left();
  a_response_that_is_over_cannot_be_added_to();
  a_draining_server_ends_idle_transports_now_and_the_others_behind_their_response();
  draining_a_server_without_transports_tells_EMPTY_though_nothing_else_keeps_the_loop_alive();
  return check_report();
}
