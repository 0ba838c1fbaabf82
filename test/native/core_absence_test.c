/* Time in which nobody served the sockets is nobody's silence: a blocked loop, a stopped process or machine. */
#include "check.h"
#include "clock.h"
#include "net/transport.h"
#include "out.h"
#include "wire.h"

enum { LIMIT = 1000, AWAY = 60000 };

static world w;
static peer *p;
static lwsn_handle handle;

static void begin_bare(uint32_t ping_interval) {
  lwsn_server_options options = world_options();
  options.ping_interval = ping_interval;
  options.idle_timeout = options.close_timeout = options.keep_alive_timeout = options.handshake_timeout = LIMIT;
  world_begin(&w, &options);
  w.accepts = w.responds = true;
}

static void begin(uint32_t ping_interval) {
  begin_bare(ping_interval);
  p = wire_open(&w, &handle);
}

static void end(void) { CHECK(world_end(&w)); }

static bool closed(void) { return world_told(&w, LWSN_RECORD_CLOSED) == 1; }

/* Nobody serves the loop meanwhile. What counts of it is no more than work between two polls. */
static void be_away(void) {
  clock_advance(AWAY);
  for (int i = 0; i < 3; i++) world_run(&w, 1);
}

static bool pinged(void) {
  frame f;
  return wire_next(p, &f) && f.first == WIRE_PING;
}

static void nobody_is_silent_before_a_ping_was_sent_and_had_its_time(void) {
  begin(400);
  be_away();
  CHECK(!closed());
  CHECK_SOON(&w, (world_pass(&w, 8), pinged()));
  world_pass(&w, 590);
  CHECK(!closed());
  world_pass(&w, 40);
  CHECK(closed());
  end();
}

static void a_ping_from_before_the_absence_still_has_its_time(void) {
  begin(400);
  world_pass(&w, 410);
  CHECK_SOON(&w, pinged());
  be_away();
  world_pass(&w, 300);
  CHECK(!closed());
  wire_send(p, WIRE_PONG, "", 0);
  world_pass(&w, 350);
  CHECK(!closed());
  end();
}

static void without_pings_silence_is_what_was_served(void) {
  begin(0);
  world_pass(&w, 500);
  for (int i = 0; i < 3; i++) be_away();
  CHECK(!closed());
  world_pass(&w, 500);
  CHECK(closed());
  end();
}

static void bytes_that_were_not_read_yet_are_no_silence(void) {
  begin(0);
  lwsn_transport *t = lwsn_registry_get(&w.context->services.registry, handle);
  lwsn_watch_hold(t->watch, true);
  wire_text(p, "here");
  world_pass(&w, 5 * LIMIT);
  CHECK(!closed());
  lwsn_watch_hold(t->watch, false);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  end();
}

static void a_peer_that_speaks_but_takes_nothing_is_silent_too(void) {
  static uint8_t data[8 * 1024 * 1024];
  begin(400);
  peer_read(p, false);
  out_message(&w, handle, 2, data, sizeof data);
  CHECK(out_queued(&w, handle) > 0);
  for (int i = 0; i < 9; i++) {
    world_pass(&w, 100);
    wire_text(p, "still here");
  }
  CHECK(!closed());
  world_pass(&w, 2 * LIMIT); /* the first look may find some room that was left */
  if (!CHECK(closed())) return;
  const event *e = world_last(&w, LWSN_RECORD_CLOSED);
  CHECK_BYTES(e->data, e->size, "the peer took nothing of what waits for it for idleTimeout");
  end();
}

static void a_peer_that_takes_slowly_is_none(void) {
  enum { STEP = 256 * 1024 };
  static uint8_t data[16 * 1024 * 1024];
  begin(0);
  peer_read(p, false);
  out_message(&w, handle, 2, data, sizeof data);
  for (int i = 0; i < 8; i++) {
    size_t until = peer_waiting(p) + STEP;
    peer_read(p, true);
    CHECK_SOON(&w, peer_waiting(p) >= until);
    peer_read(p, false);
    world_pass(&w, LIMIT / 2);
  }
  CHECK(!closed());
  end();
}

static void a_request_whose_rest_lies_in_the_socket_is_not_late(void) {
  begin_bare(0);
  p = peer_open(&w);
  CHECK(peer_drip(p, WIRE_GET, 10, 10));
  peer_say(p, &WIRE_GET[10]);
  be_away();
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 200);
  peer_say(p, WIRE_GET); /* and the next one is not beyond keepAliveTimeout */
  be_away();
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 200);
  end();
}

static void a_request_that_nobody_could_send_meanwhile_has_its_time(void) {
  begin_bare(0);
  p = peer_open(&w);
  CHECK(peer_drip(p, WIRE_GET, 10, 10));
  be_away();
  world_pass(&w, LIMIT / 2);
  peer_say(p, &WIRE_GET[10]);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 200);
  end();
}

static void a_close_frame_that_lies_in_the_socket_is_not_late(void) {
  begin(0);
  out_close(&w, handle, 1000, "bye");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  be_away();
  CHECK(!closed());
  wire_close(p, 1000, NULL);
  CHECK_SOON(&w, p->ended);
  be_away();
  peer_close(p);
  CHECK_SOON(&w, closed());
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->extra, 1);
  end();
}

int main(void) {
  nobody_is_silent_before_a_ping_was_sent_and_had_its_time();
  a_ping_from_before_the_absence_still_has_its_time();
  without_pings_silence_is_what_was_served();
  bytes_that_were_not_read_yet_are_no_silence();
  a_peer_that_speaks_but_takes_nothing_is_silent_too();
  a_peer_that_takes_slowly_is_none();
  a_request_whose_rest_lies_in_the_socket_is_not_late();
  a_request_that_nobody_could_send_meanwhile_has_its_time();
  a_close_frame_that_lies_in_the_socket_is_not_late();
  return check_report();
}
