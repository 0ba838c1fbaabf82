/* Connections that the core accepts alone: unknown to the other side until their first event. */
#include "net/introduction.h"

#include <stdlib.h>

#include "check.h"
#include "http/exchange.h"
#include "net/transports.h"
#include "out.h"
#include "websocket/connection.h"
#include "websocket/speech.h"
#include "wire.h"

static lwsn_server_options alone(bool tells_closed) {
  lwsn_server_options options = world_options();
  options.accepts_alone = true;
  options.tells_closed = tells_closed;
  options.accept_flags = LWSN_CONNECTION_PONGS;
  return options;
}

static void begin(world *w, bool tells_closed) {
  lwsn_server_options options = alone(tells_closed);
  world_begin(w, &options);
}

static peer *join_with(world *w, const void *more, size_t size) {
  peer *p = peer_open(w);
  uint8_t bytes[1024];
  size_t n = sizeof WIRE_UPGRADE - 1;
  memcpy(bytes, WIRE_UPGRADE, n);
  if (size > 0) memcpy(bytes + n, more, size);
  peer_send(p, bytes, n + size);
  response r;
  CHECK_SOON(w, wire_response(p, &r));
  CHECK_INT(r.status, 101);
  CHECK(wire_has(&r, "Sec-WebSocket-Accept: " WIRE_ACCEPT));
  return p;
}

static peer *join(world *w) { return join_with(w, NULL, 0); }

static void check_told(const event *e) {
  size_t head = sizeof WIRE_UPGRADE - 1;
  CHECK_INT(e->size, sizeof(lwsn_request_prefix) + head);
  CHECK_BYTES((const char *)e->data + sizeof(lwsn_request_prefix), head, WIRE_UPGRADE);
  CHECK_INT(e->data[0], 4); /* the family of the peer */
}

static void an_idle_connection_is_served_and_told_to_nobody(void) {
  world w;
  begin(&w, false);
  peer *p = join(&w);
  wire_send(p, WIRE_PING, "are you there", 13);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.first, 0x8a);
  CHECK_INT(w.event_count, 0);
  CHECK_INT(w.server->unknown, 1);
  CHECK_INT(w.server->stats.requests, 1);
  CHECK_INT(w.server->stats.opened, 1);
  peer_close(p);
  CHECK_SOON(&w, w.server->stats.closed == 1);
  CHECK_INT(w.event_count, 0);
  CHECK_INT(w.server->unknown, 0);
  CHECK(world_end(&w));
}

static void the_first_event_is_preceded_by_OPEN_with_peer_and_head(void) {
  static const struct {
    uint8_t first;
    lwsn_record_kind kind;
  } cases[] = {{0x81, LWSN_RECORD_TEXT}, {0x82, LWSN_RECORD_BINARY}, {0x8a, LWSN_RECORD_PONG}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    world w;
    begin(&w, false);
    peer *p = join(&w);
    for (int again = 0; again < 2; again++) wire_send(p, cases[i].first, "hello", 5);
    CHECK_SOON(&w, world_told(&w, cases[i].kind) == 2);
    CHECK_INT(w.event_count, 3);
    CHECK_INT(w.events[0].kind, LWSN_RECORD_OPEN);
    check_told(&w.events[0]);
    CHECK_INT(w.events[1].kind, cases[i].kind);
    CHECK_INT(w.server->unknown, 0);
    peer_close(p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
    CHECK(world_end(&w));
  }
}

static void frames_sent_with_the_request_follow_OPEN_in_order(void) {
  world w;
  begin(&w, false);
  uint8_t frames[64];
  size_t n = wire_frame(frames, WIRE_TEXT, "one", 3);
  n += wire_frame(frames + n, WIRE_BINARY, "two", 3);
  join_with(&w, frames, n);
  static const lwsn_record_kind order[] = {LWSN_RECORD_OPEN, LWSN_RECORD_TEXT, LWSN_RECORD_BINARY};
  CHECK_SOON(&w, w.event_count == 3);
  for (size_t i = 0; i < w.event_count && i < 3; i++) CHECK_INT(w.events[i].kind, order[i]);
  CHECK(world_end(&w));
}

static void the_end_of_an_unknown_connection_is_told_where_it_is_asked_for(void) {
  world w;
  begin(&w, true);
  peer *p = join(&w);
  wire_close(p, 1000, "done");
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(w.event_count, 2);
  CHECK_INT(w.events[0].kind, LWSN_RECORD_OPEN);
  check_told(&w.events[0]);
  CHECK_INT(w.events[1].detail, 1000);
  CHECK_INT(w.events[1].extra, 1);
  CHECK(world_end(&w));
}

static void note_introduced(lwsn_handle handle, bool closing, const lwsn_peer *from, const lwsn_introduction *head,
                            void *data) {
  unsigned *counts = data;
  counts[closing]++;
  CHECK(handle.generation > 0 && from->family == 4);
  CHECK_BYTES(head->head, head->size, WIRE_UPGRADE);
}

static void introduce_all_tells_each_unknown_one_once_and_whether_it_is_closing(void) {
  world w;
  begin(&w, true);
  peer *known = join(&w);
  wire_text(known, "here");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  join(&w);
  join(&w);
  peer *closing = join(&w);
  wire_close(closing, 1000, NULL);
  frame f;
  CHECK_SOON(&w, wire_next(closing, &f));
  unsigned counts[2] = {0, 0};
  lwsn_introduce_all(w.server, note_introduced, counts);
  CHECK_INT(counts[false], 2);
  CHECK_INT(counts[true], 1);
  CHECK_INT(w.server->unknown, 0);
  lwsn_introduce_all(w.server, note_introduced, counts);
  CHECK_INT(counts[false] + counts[true], 3);
  CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 1);
  CHECK(world_end(&w));
}

static void a_transport_that_was_told_of_is_asked_about(void) {
  world w;
  begin(&w, false);
  w.responds = w.accepts = true;
  peer *p = peer_open(&w);
  peer_say(p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  peer_say(p, WIRE_UPGRADE);
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 101);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_OPEN) == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), 2);
  CHECK(world_end(&w));
}

static void a_server_that_drains_accepts_none_alone(void) {
  world w;
  begin(&w, false);
  join(&w);
  peer *late = peer_open(&w);
  CHECK_SOON(&w, w.server->stats.transports == 2);
  peer_send(late, WIRE_UPGRADE, 20); /* begun, so draining does not end it */
  world_run(&w, 10);
  lwsn_server_drain(w.server);
  peer_say(late, &WIRE_UPGRADE[20]);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  CHECK_INT(w.server->unknown, 1);
  CHECK(world_end(&w));
}

static void a_destroyed_context_frees_what_is_unknown(void) {
  world w;
  begin(&w, true);
  for (int i = 0; i < 5; i++) join(&w);
  CHECK_INT(w.server->unknown, 5);
  CHECK_INT(w.event_count, 0);
  CHECK(world_end(&w));
}

int main(void) {
  an_idle_connection_is_served_and_told_to_nobody();
  the_first_event_is_preceded_by_OPEN_with_peer_and_head();
  frames_sent_with_the_request_follow_OPEN_in_order();
  the_end_of_an_unknown_connection_is_told_where_it_is_asked_for();
  introduce_all_tells_each_unknown_one_once_and_whether_it_is_closing();
  a_transport_that_was_told_of_is_asked_about();
  a_server_that_drains_accepts_none_alone();
  a_destroyed_context_frees_what_is_unknown();
  return check_report();
}
