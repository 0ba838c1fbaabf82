/* A peer that leaves a connection without the closing handshake, by FIN or RST, in every state. */
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "net/transports.h"
#include "out.h"
#include "wire.h"

typedef void (*leave)(peer *);

static const leave ways[] = {peer_finish, peer_close, peer_reset};

enum { WAYS = 3, RESET = 2 };

static void expect_closed(world *w, lwsn_handle handle, bool input_was_open) {
  if (!CHECK_SOON(w, world_told(w, LWSN_RECORD_CLOSED) == 1)) return;
  const event *e = world_last_of(w, LWSN_RECORD_CLOSED, handle);
  if (!CHECK(e != NULL)) return;
  CHECK_INT(e->detail, 1006);
  CHECK_INT(e->extra, 0);
  CHECK_MSG(!input_was_open || e->size > 10, "no sentence says why");
  CHECK_INT(w->server->stats.transports, 0);
  CHECK(world_end(w));
}

static void leaving_an_idle_connection(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    w.accepts = true;
    ways[i](wire_open(&w, &handle));
    expect_closed(&w, handle, true);
  }
}

static void leaving_in_the_middle_of_a_frame_or_message(void) {
  uint8_t text[32], ping[32], fragment[32];
  const struct {
    const uint8_t *bytes;
    size_t size;
  } cuts[] = {
      {text, 1},
      {text, 4},
      {text, wire_frame(text, WIRE_TEXT, "hello", 5) - 1},
      {ping, wire_frame(ping, WIRE_PING, "hello", 5) - 1},
      {fragment, wire_frame(fragment, 0x01, "hello", 5)},
  };
  for (size_t cut = 0; cut < sizeof cuts / sizeof *cuts; cut++) {
    for (int i = 0; i < WAYS; i++) {
      world w;
      lwsn_handle handle;
      world_begin(&w, NULL);
      w.accepts = true;
      peer *p = wire_open(&w, &handle);
      CHECK(peer_drip(p, cuts[cut].bytes, cuts[cut].size, 100));
      ways[i](p);
      expect_closed(&w, handle, true);
    }
  }
}

static void what_was_sent_before_FIN_is_told_first(void) {
  for (int i = 0; i < RESET; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    w.accepts = true;
    peer *p = wire_open(&w, &handle);
    for (int n = 0; n < 10000; n++) wire_text(p, "one of many, more than the ring holds");
    CHECK_SOON(&w, p->out_size == 0);
    ways[i](p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 10000);
    expect_closed(&w, handle, true);
  }
}

static void leaving_a_paused_connection_shows_when_it_is_resumed_and_RST_at_once(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    w.accepts = true;
    peer *p = wire_open(&w, &handle);
    out_tell(&w, handle, LWSN_OUT_PAUSE);
    lwsn_outbound_flush(w.context);
    wire_text(p, "one");
    wire_text(p, "two");
    world_run(&w, 5);
    ways[i](p);
    if (i != RESET) {
      world_run(&w, 20);
      unsigned long turns = w.turns;
      world_run(&w, 50);
      CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop while the connection is paused", w.turns - turns);
      CHECK_INT(world_told(&w, LWSN_RECORD_CLOSED), 0);
      out_tell(&w, handle, LWSN_OUT_RESUME);
      CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 2);
    }
    expect_closed(&w, handle, i != RESET);
  }
}

static void leaving_with_a_backlog_shows_when_it_was_told(void) {
  for (int i = 0; i < RESET; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    w.accepts = true;
    peer *p = peer_open(&w);
    uint8_t bytes[sizeof WIRE_UPGRADE + 64];
    memcpy(bytes, WIRE_UPGRADE, sizeof WIRE_UPGRADE - 1);
    size_t n = sizeof WIRE_UPGRADE - 1;
    n += wire_frame(bytes + n, WIRE_TEXT, "one", 3);
    n += wire_frame(bytes + n, WIRE_TEXT, "two", 3);
    w.accepts = false;
    peer_send(p, bytes, n);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
    handle = world_last(&w, LWSN_RECORD_REQUEST)->handle;
    out_accept(&w, handle, NULL, 0);
    out_tell(&w, handle, LWSN_OUT_PAUSE);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_OPEN) == 1);
    ways[i](p);
    world_run(&w, 10);
    CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), 0);
    out_tell(&w, handle, LWSN_OUT_RESUME);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 2);
    expect_closed(&w, handle, true);
  }
}

/* Who sends FIN may still read: the queue has closeTimeout to leave. Unread bytes make closing a reset. */
static void leaving_with_output_in_the_queue(void) {
  static uint8_t data[8 * 1024 * 1024];
  for (int i = 0; i < WAYS; i++) {
    for (int paused = 0; paused < 2; paused++) {
      world w;
      lwsn_handle handle;
      lwsn_server_options options = world_options();
      options.close_timeout = 1000;
      world_begin(&w, &options);
      w.accepts = true;
      peer *p = wire_open(&w, &handle);
      peer_read(p, false);
      out_message(&w, handle, 2, data, sizeof data);
      if (paused) out_tell(&w, handle, LWSN_OUT_PAUSE);
      lwsn_outbound_flush(w.context);
      ways[i](p);
      world_run(&w, 5);
      if (ways[i] == peer_finish) CHECK_AFTER(&w, 1000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
      expect_closed(&w, handle, true);
    }
  }
}

static void half_closing_and_resetting_while_our_close_frame_waits(void) {
  static uint8_t data[8 * 1024 * 1024];
  for (int i = 0; i < WAYS; i++) {
    world w;
    lwsn_handle handle;
    lwsn_server_options options = world_options();
    options.close_timeout = 1000;
    world_begin(&w, &options);
    w.accepts = true;
    peer *p = wire_open(&w, &handle);
    peer_read(p, false);
    out_message(&w, handle, 2, data, sizeof data);
    out_close(&w, handle, 1000, "behind it");
    lwsn_outbound_flush(w.context);
    ways[i](p);
    world_run(&w, 5);
    if (ways[i] == peer_finish) CHECK_AFTER(&w, 1000, world_told(&w, LWSN_RECORD_CLOSED) == 1);
    expect_closed(&w, handle, true);
  }
}

static void leaving_after_a_violation_tells_the_violation(void) {
  for (int i = 0; i < WAYS; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    w.accepts = true;
    peer *p = wire_open(&w, &handle);
    wire_send(p, 0x83, "", 0);
    CHECK_SOON(&w, p->ended);
    ways[i](p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
    const event *e = world_last(&w, LWSN_RECORD_CLOSED);
    CHECK_BYTES(e->data, e->size, "a frame has a reserved opcode");
    expect_closed(&w, handle, true);
  }
}

static void sending_to_a_peer_that_left_is_harmless(void) {
  static uint8_t data[100000];
  world w;
  lwsn_handle handle;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = wire_open(&w, &handle);
  peer_reset(p);
  /* the loop has not seen it yet: the kernel tells with the first or the second send */
  for (int i = 0; i < 5; i++) {
    out_message(&w, handle, 1, "hello", 5);
    lwsn_outbound_send(w.context, handle, 2, data, sizeof data);
    out_ping(&w, handle, "x", 1);
  }
  CHECK(lwsn_outbound_send(w.context, handle, 2, data, sizeof data) < 0);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1006);
  CHECK(world_end(&w));
}

/* Hundreds of peers doing everything at once, by chance but the same in every run. */
static void a_crowd_that_comes_and_goes_leaves_nothing(void) {
  enum { PEERS = 60 };
  int steps = world_is_slow() ? 1500 : 6000;
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = w.responds = true;
  peer *peers[PEERS] = {NULL};
  uint8_t bytes[300] = {0};
  for (int i = 0; i < steps; i++) {
    peer **p = &peers[wire_random() % PEERS];
    uint32_t chance = wire_random() % 16;
    if (!*p || (*p)->fd < 0 || (*p)->ended || (*p)->error) {
      if (*p) peer_close(*p);
      *p = peer_open(&w);
      peer_say(*p, chance < 12 ? WIRE_UPGRADE : WIRE_GET);
    } else if (chance < 8) {
      wire_fill(bytes, sizeof bytes);
      wire_send(*p, WIRE_BINARY, bytes, wire_random() % sizeof bytes);
    } else if (chance < 10) {
      wire_send(*p, WIRE_PING, bytes, wire_random() % 125);
    } else if (chance == 10) {
      peer_send(*p, bytes, wire_random() % sizeof bytes);
    } else if (chance == 11) {
      wire_close(*p, 1000, NULL);
    } else if (chance >= 13) {
      ways[chance - 13](*p);
    }
    const event *e = w.event_count ? &w.events[wire_random() % w.event_count] : NULL;
    if (e && i % 7 == 0) out_tell(&w, e->handle, (lwsn_out_kind)(LWSN_OUT_TERMINATE + wire_random() % 4));
    if (e && i % 11 == 0) out_close(&w, e->handle, 4000, "by chance");
    if (i % 3 == 0) uv_run(&w.loop, UV_RUN_NOWAIT);
    if (w.event_count > 1000) world_forget(&w);
  }
  peer_close_all(&w);
  for (size_t i = 0; i < w.event_count; i++) out_tell(&w, w.events[i].handle, LWSN_OUT_RESUME);
  lwsn_server_kill_all(w.server);
  CHECK_SOON(&w, w.server->stats.transports == 0);
  world_run(&w, 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), world_told(&w, LWSN_RECORD_CLOSED));
  CHECK_INT(w.server->stats.connections, 0);
  CHECK(world_end(&w));
}

int main(void) {
  leaving_an_idle_connection();
  leaving_in_the_middle_of_a_frame_or_message();
  what_was_sent_before_FIN_is_told_first();
  leaving_a_paused_connection_shows_when_it_is_resumed_and_RST_at_once();
  leaving_with_a_backlog_shows_when_it_was_told();
  leaving_with_output_in_the_queue();
  half_closing_and_resetting_while_our_close_frame_waits();
  leaving_after_a_violation_tells_the_violation();
  sending_to_a_peer_that_left_is_harmless();
  a_crowd_that_comes_and_goes_leaves_nothing();
  return check_report();
}
