/* A peer that leaves, by FIN or RST, in every state of a transport that speaks HTTP. */
#include <sys/socket.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "net/transport.h"
#include "out.h"
#include "wire.h"

typedef void (*leave)(peer *);

static const leave ways[] = {peer_finish, peer_close, peer_reset};

enum { WAYS = 3, FINISH = 0, RESET = 2 };

static lwsn_handle request(world *w, peer *p, const char *text) {
  unsigned long told = world_told(w, LWSN_RECORD_REQUEST);
  peer_say(p, text);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_REQUEST) > told);
  const event *e = world_last(w, LWSN_RECORD_REQUEST);
  return e ? e->handle : (lwsn_handle){0, 0};
}

/* Expects that nothing is left of the transport, and how often GONE was told. */
static void expect_gone(world *w, unsigned long told) {
  CHECK_SOON(w, w->server->stats.transports == 0);
  world_run(w, 1);
  CHECK_INT(world_told(w, LWSN_RECORD_GONE), told);
  CHECK_INT(w->context->services.registry.tenant_count, 0);
  CHECK(world_end(w));
}

static void before_any_byte_nobody_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    CHECK_SOON(&w, w.server->stats.transports == 1);
    ways[i](p);
    expect_gone(&w, 0);
  }
}

static void before_it_was_accepted_nobody_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    ways[i](p);
    CHECK_SOON(&w, w.server->stats.accepted == 1);
    expect_gone(&w, 0);
  }
}

static void in_the_middle_of_a_head_nobody_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    CHECK(peer_drip(p, WIRE_GET, 10, 10));
    ways[i](p);
    expect_gone(&w, 0);
  }
}

static void while_an_upgrade_is_held_GONE_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    lwsn_handle handle = request(&w, p, WIRE_UPGRADE);
    wire_text(p, "and a frame that is never read");
    ways[i](p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) > 0);
    CHECK_INT(world_last(&w, LWSN_RECORD_GONE)->detail, LWSN_GONE_PEER);
    out_accept(&w, handle, NULL, 0); /* of a dead handle */
    world_run(&w, 1);
    CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 0);
    expect_gone(&w, 1);
  }
}

static void while_a_body_is_held_only_RST_is_noticed_at_once(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    lwsn_handle handle = request(&w, p, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
    ways[i](p);
    if (i != RESET) {
      world_run(&w, 10);
      CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
      out_tell(&w, handle, LWSN_OUT_RESUME);
      CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BODY) == 1);
      CHECK_INT(world_last(&w, LWSN_RECORD_BODY)->detail, 0);
    }
    expect_gone(&w, 1);
  }
}

static void in_the_middle_of_a_body_that_is_read_GONE_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    lwsn_handle handle = request(&w, p, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
    out_tell(&w, handle, LWSN_OUT_RESUME);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BODY) == 1);
    ways[i](p);
    expect_gone(&w, 1);
  }
}

static void half_closing_behind_a_request_leaves_its_response(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = request(&w, p, WIRE_GET);
  peer_finish(p);
  world_run(&w, 20);
  unsigned long turns = w.turns;
  world_run(&w, 50);
  CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop while a response is awaited", w.turns - turns);
  CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
  out_response(&w, handle, "200 OK", "for you", true);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_BYTES(r.body, r.body_size, "for you");
  CHECK_SOON(&w, p->ended);
  expect_gone(&w, 1);
}

static void who_half_closed_and_takes_nothing_is_given_closeTimeout(void) {
  static const char *const requests[] = {WIRE_GET, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"};
  for (int i = 0; i < 2; i++) {
    lwsn_server_options options = world_options();
    options.close_timeout = 500;
    options.idle_timeout = 60000;
    world w;
    world_begin(&w, &options);
    peer *p = peer_open(&w);
    lwsn_handle handle = request(&w, p, requests[i]);
    world_pass(&w, 5000);
    CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
    peer_finish(p);
    world_run(&w, 5);
    world_pass(&w, 400);
    out_raw(&w, handle, "a piece");
    world_pass(&w, 490);
    CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
    world_pass(&w, 10 + 2 * LWSN_WHEEL_TICK_MS);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
    const event *e = world_last(&w, LWSN_RECORD_GONE);
    CHECK(e && e->detail == LWSN_GONE_PEER);
    expect_gone(&w, 1);
  }
}

/* Whether the server's one transport is probed. */
static int probed(world *w) {
  lwsn_transport *t = LWSN_CONTAINER(w->server->transports.next, lwsn_transport, in_server);
  int on = 0;
  socklen_t size = sizeof on;
  CHECK(getsockopt(t->watch->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size) == 0);
  return on;
}

static void a_peer_that_waits_in_silence_is_probed_by_TCP(void) {
  lwsn_server_options options = world_options();
  options.idle_timeout = 2000;
  options.close_timeout = 500;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  request(&w, p, WIRE_GET);
  CHECK(!probed(&w));
  world_pass(&w, 10000);
  CHECK(probed(&w));
  CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
  peer_close(p);
  world_run(&w, 5);
  world_pass(&w, 600);
  expect_gone(&w, 1);
}

static void half_closing_behind_pipelined_requests_leaves_all_responses(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = true;
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET WIRE_GET WIRE_GET);
  peer_finish(p);
  CHECK_SOON(&w, p->ended);
  for (int i = 0; i < 3; i++) {
    response r;
    CHECK(wire_response(p, &r));
  }
  expect_gone(&w, 1);
}

static void resetting_before_the_response_tells_GONE_at_once(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = request(&w, p, WIRE_GET);
  peer_reset(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
  out_response(&w, handle, "200 OK", "for nobody", true);
  expect_gone(&w, 1);
}

static void resetting_after_half_closing_is_noticed_by_the_response(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = request(&w, p, WIRE_GET);
  peer_finish(p);
  world_run(&w, 5);
  peer_reset(p);
  world_run(&w, 5);
  out_response(&w, handle, "200 OK", "for nobody", true);
  expect_gone(&w, 1);
}

static void with_a_response_in_the_queue_GONE_is_told(void) {
  static uint8_t data[8 * 1024 * 1024];
  for (int i = 1; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    peer_read(p, false);
    lwsn_handle handle = request(&w, p, WIRE_GET);
    CHECK(lwsn_outbound_send(w.context, handle, LWSN_OPCODE_RAW, data, sizeof data) > 0);
    ways[i](p);
    expect_gone(&w, 1);
  }
}

static void between_two_requests_GONE_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    w.responds = true;
    peer *p = peer_open(&w);
    response r;
    peer_say(p, WIRE_GET);
    CHECK_SOON(&w, wire_response(p, &r));
    ways[i](p);
    expect_gone(&w, 1);
  }
}

static void while_a_refused_transport_ends_nobody_is_told(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    peer_say(p, "junk\r\n\r\n");
    CHECK_SOON(&w, p->ended);
    ways[i](p);
    expect_gone(&w, 0);
  }
}

static void a_transport_between_two_requests_ends_after_keepAliveTimeout(void) {
  lwsn_server_options options = world_options();
  options.keep_alive_timeout = 500;
  options.idle_timeout = 10000;
  world w;
  world_begin(&w, &options);
  w.responds = true;
  peer *p = peer_open(&w);
  response r;
  for (int i = 0; i < 2; i++) {
    world_pass(&w, 400);
    peer_say(p, WIRE_GET);
    CHECK_SOON(&w, wire_response(p, &r));
  }
  CHECK_AFTER(&w, 500, p->ended);
  CHECK_INT(peer_waiting(p), 0);
  peer_close(p);
  expect_gone(&w, 1);
}

static void terminating_an_exchange_tells_GONE(void) {
  static const char *const requests[] = {WIRE_GET, WIRE_UPGRADE};
  for (int i = 0; i < 2; i++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    lwsn_handle handle = request(&w, p, requests[i]);
    out_tell(&w, handle, LWSN_OUT_TERMINATE);
    out_tell(&w, handle, LWSN_OUT_TERMINATE);
    out_raw(&w, handle, "never sent");
    CHECK_SOON(&w, p->ended || p->error);
    CHECK_INT(peer_waiting(p), 0);
    expect_gone(&w, 1);
  }
}

int main(void) {
  before_any_byte_nobody_is_told();
  before_it_was_accepted_nobody_is_told();
  in_the_middle_of_a_head_nobody_is_told();
  while_an_upgrade_is_held_GONE_is_told();
  while_a_body_is_held_only_RST_is_noticed_at_once();
  in_the_middle_of_a_body_that_is_read_GONE_is_told();
  half_closing_behind_a_request_leaves_its_response();
  who_half_closed_and_takes_nothing_is_given_closeTimeout();
  a_peer_that_waits_in_silence_is_probed_by_TCP();
  half_closing_behind_pipelined_requests_leaves_all_responses();
  resetting_before_the_response_tells_GONE_at_once();
  resetting_after_half_closing_is_noticed_by_the_response();
  with_a_response_in_the_queue_GONE_is_told();
  between_two_requests_GONE_is_told();
  while_a_refused_transport_ends_nobody_is_told();
  a_transport_between_two_requests_ends_after_keepAliveTimeout();
  terminating_an_exchange_tells_GONE();
  return check_report();
}
