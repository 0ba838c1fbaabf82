/* The way from a request to a connection: held, accepted, rejected, and what the peer sends meanwhile. */
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "out.h"
#include "wire.h"

enum { UPGRADE_SIZE = sizeof WIRE_UPGRADE - 1 };

/* Asks for an upgrade, which is then held. */
static lwsn_handle ask(world *w, peer *p) {
  unsigned long told = world_told(w, LWSN_RECORD_REQUEST);
  peer_say(p, WIRE_UPGRADE);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_REQUEST) > told);
  const event *e = world_last(w, LWSN_RECORD_REQUEST);
  return e ? e->handle : (lwsn_handle){0, 0};
}

static void an_accepted_upgrade_is_answered_with_the_key_and_the_headers_of_the_other_side(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = ask(&w, p);
  out_accept(&w, handle, "Sec-WebSocket-Protocol: chat\r\nX-Extra: 1\r\n", 0);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 101);
  CHECK(wire_has(&r, "Upgrade: websocket") && wire_has(&r, "Connection: Upgrade"));
  CHECK(wire_has(&r, "Sec-WebSocket-Accept: " WIRE_ACCEPT));
  CHECK(wire_has(&r, "Sec-WebSocket-Protocol: chat") && wire_has(&r, "X-Extra: 1"));
  CHECK_SOON(&w, world_last_of(&w, LWSN_RECORD_OPEN, handle) != NULL);
  CHECK_INT(w.server->stats.connections, 1);
  CHECK(world_end(&w));
}

static void an_upgrade_request_may_come_in_any_two_pieces_and_byte_by_byte(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  for (size_t split = 1; split <= UPGRADE_SIZE; split++) {
    peer *p = peer_open(&w);
    CHECK(peer_drip(p, WIRE_UPGRADE, UPGRADE_SIZE, split));
    response r;
    CHECK_SOON(&w, wire_response(p, &r) && world_told(&w, LWSN_RECORD_OPEN) == split);
    CHECK_INT(r.status, 101);
    peer_close(p);
  }
  CHECK(world_end(&w));
}

static void a_held_upgrade_sleeps_until_it_is_decided(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = ask(&w, p);
  wire_text(p, "cannot wait");
  world_run(&w, 20);
  unsigned long turns = w.turns;
  world_run(&w, 100);
  CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop while nothing happens", w.turns - turns);
  CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 0);
  CHECK_INT(peer_waiting(p), 0);
  out_accept(&w, handle, NULL, 0);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  CHECK(world_end(&w));
}

static void a_rejected_upgrade_is_answered_in_HTTP_and_the_transport_goes_on_or_ends(void) {
  for (int keep_alive = 0; keep_alive < 2; keep_alive++) {
    world w;
    world_begin(&w, NULL);
    peer *p = peer_open(&w);
    lwsn_handle handle = ask(&w, p);
    out_response(&w, handle, "403 Forbidden", "not you", keep_alive);
    response r;
    CHECK_SOON(&w, wire_response(p, &r));
    CHECK_INT(r.status, 403);
    out_accept(&w, handle, NULL, 0); /* too late */
    if (keep_alive) {
      handle = ask(&w, p);
      out_accept(&w, handle, NULL, 0);
      CHECK_SOON(&w, wire_response(p, &r));
      CHECK_INT(r.status, 101);
    } else {
      CHECK_SOON(&w, p->ended);
      CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 0);
    }
    CHECK(world_end(&w));
  }
}

static void frames_sent_together_with_the_request_arrive_in_order_after_OPEN(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = peer_open(&w);
  uint8_t bytes[UPGRADE_SIZE + 64];
  memcpy(bytes, WIRE_UPGRADE, UPGRADE_SIZE);
  size_t n = UPGRADE_SIZE;
  n += wire_frame(bytes + n, WIRE_TEXT, "first", 5);
  n += wire_frame(bytes + n, WIRE_BINARY, "second", 6);
  n += wire_frame(bytes + n, 0x01, "th", 2);
  peer_send(p, bytes, n);
  wire_send(p, 0x80, "ird", 3);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 2);
  static const lwsn_record_kind order[] = {LWSN_RECORD_REQUEST, LWSN_RECORD_OPEN, LWSN_RECORD_TEXT, LWSN_RECORD_BINARY,
                                           LWSN_RECORD_TEXT};
  CHECK_INT(w.event_count, 5);
  for (size_t i = 0; i < w.event_count && i < 5; i++) CHECK_INT(w.events[i].kind, order[i]);
  CHECK_BYTES(w.events[2].data, w.events[2].size, "first");
  CHECK_BYTES(w.events[3].data, w.events[3].size, "second");
  CHECK_BYTES(w.events[4].data, w.events[4].size, "third");
  CHECK(world_end(&w));
}

static void megabytes_sent_while_the_upgrade_is_held_arrive_in_order(void) {
  enum { COUNT = 64, SIZE = 65536 };
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = ask(&w, p);
  static uint8_t data[SIZE];
  wire_fill(data, SIZE);
  for (unsigned i = 0; i < COUNT; i++) {
    data[0] = (uint8_t)i;
    wire_send(p, WIRE_BINARY, data, SIZE);
  }
  world_run(&w, 20);
  CHECK(p->out_size > 0); /* the kernel's buffers are full: nothing is read */
  out_accept(&w, handle, NULL, 0);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == COUNT);
  for (unsigned i = 0; i < COUNT; i++) {
    const event *e = world_nth(&w, LWSN_RECORD_BINARY, i);
    CHECK(e && e->size == SIZE && e->data[0] == i && memcmp(e->data + 1, data + 1, SIZE - 1) == 0);
  }
  CHECK(world_end(&w));
}

static void head_and_decision_of_an_upgrade_share_handshakeTimeout_and_then_it_is_503(void) {
  lwsn_server_options options = world_options();
  options.handshake_timeout = 1000;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  CHECK(peer_drip(p, WIRE_UPGRADE, 20, 20));
  world_pass(&w, 600);
  peer_send(p, WIRE_UPGRADE + 20, UPGRADE_SIZE - 20);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  lwsn_handle handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  response r;
  CHECK_AFTER(&w, 400, wire_response(p, &r));
  CHECK_INT(r.status, 503);
  CHECK_INT(world_nth(&w, LWSN_RECORD_GONE, 0)->detail, LWSN_GONE_TIMEOUT);
  out_accept(&w, handle, NULL, 0);
  CHECK_SOON(&w, p->ended);
  CHECK_INT(peer_waiting(p), 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 0);
  CHECK(world_end(&w));
}

static void handshakeTimeout_is_over_with_the_decision(void) {
  lwsn_server_options options = world_options();
  options.handshake_timeout = 1000;
  world w;
  world_begin(&w, &options);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  world_pass(&w, 5000);
  CHECK(!p->ended);
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSED), 0);
  CHECK(world_end(&w));
}

static void accepting_twice_or_what_is_no_upgrade_does_nothing(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = ask(&w, p);
  out_accept(&w, handle, NULL, 0);
  out_accept(&w, handle, "X-Second: 1\r\n", 0);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_OPEN) == 1);
  out_accept(&w, handle, NULL, 0);
  peer *plain = peer_open(&w);
  peer_say(plain, WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 2);
  lwsn_handle request = world_last(&w, LWSN_RECORD_REQUEST)->handle;
  out_accept(&w, request, NULL, 0);
  world_run(&w, 5);
  CHECK_INT(peer_waiting(p), 0);
  CHECK_INT(peer_waiting(plain), 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 1);
  out_response(&w, request, "200 OK", "ok", true);
  CHECK_SOON(&w, wire_response(plain, &r));
  CHECK(world_end(&w));
}

static void what_belongs_to_the_other_phase_is_ignored(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = ask(&w, p);
  out_message(&w, handle, 1, "too early", 9);
  out_ping(&w, handle, "too early", 9);
  out_close(&w, handle, 1000, "too early");
  out_tell(&w, handle, LWSN_OUT_WANT_WRITABLE);
  CHECK(lwsn_outbound_send(w.context, handle, 1, (const uint8_t *)"too early", 9) < 0);
  out_accept(&w, handle, NULL, 0);
  out_raw(&w, handle, "too late");
  out_end(&w, handle, false);
  out_message(&w, handle, 1, "in time", 7);
  response r;
  frame f;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 101);
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "in time");
  CHECK(lwsn_outbound_send(w.context, handle, LWSN_OPCODE_RAW, (const uint8_t *)"too late", 8) < 0);
  world_run(&w, 5);
  CHECK_INT(peer_waiting(p), 0);
  CHECK_INT(world_told(&w, LWSN_RECORD_WRITABLE), 0);
  CHECK(world_end(&w));
}

static void accept_messages_and_close_may_leave_in_one_flush(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  lwsn_handle handle = ask(&w, p);
  out_accept(&w, handle, NULL, 0);
  out_message(&w, handle, 1, "one", 3);
  out_message(&w, handle, 2, "two", 3);
  out_close(&w, handle, 4321, "done");
  out_message(&w, handle, 1, "never", 5);
  response r;
  frame f;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "one");
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "two");
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.first, WIRE_CLOSE);
  CHECK_INT(wire_code(&f), 4321);
  wire_close(p, 4321, NULL);
  CHECK_SOON(&w, p->ended);
  CHECK_INT(peer_waiting(p), 0);
  CHECK(world_end(&w));
}

static void a_transport_may_be_upgraded_after_plain_requests(void) {
  world w;
  world_begin(&w, NULL);
  w.responds = w.accepts = w.echoes = true;
  peer *p = peer_open(&w);
  response r;
  peer_say(p, WIRE_GET WIRE_GET WIRE_UPGRADE);
  wire_text(p, "behind it all");
  for (int i = 0; i < 2; i++) {
    CHECK_SOON(&w, wire_response(p, &r));
    CHECK_INT(r.status, 200);
  }
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 101);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "behind it all");
  lwsn_handle first = w.events[0].handle, last = world_last(&w, LWSN_RECORD_OPEN)->handle;
  CHECK(first.slot == last.slot && first.generation == last.generation);
  CHECK(world_end(&w));
}

int main(void) {
  an_accepted_upgrade_is_answered_with_the_key_and_the_headers_of_the_other_side();
  an_upgrade_request_may_come_in_any_two_pieces_and_byte_by_byte();
  a_held_upgrade_sleeps_until_it_is_decided();
  a_rejected_upgrade_is_answered_in_HTTP_and_the_transport_goes_on_or_ends();
  frames_sent_together_with_the_request_arrive_in_order_after_OPEN();
  megabytes_sent_while_the_upgrade_is_held_arrive_in_order();
  head_and_decision_of_an_upgrade_share_handshakeTimeout_and_then_it_is_503();
  handshakeTimeout_is_over_with_the_decision();
  accepting_twice_or_what_is_no_upgrade_does_nothing();
  what_belongs_to_the_other_phase_is_ignored();
  accept_messages_and_close_may_leave_in_one_flush();
  a_transport_may_be_upgraded_after_plain_requests();
  return check_report();
}
