/*
 * Without memory: every allocation of the core and of lws fails once, and then from there on, in every part of a
 * connection's life. It must end in a refused or closed transport, and what follows must work as if nothing had been.
 */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "failing.h"
#include "lws/door.h"
#include "net/listener.h"
#include "out.h"
#include "websocket/connection.h"
#include "wire.h"

enum { LARGE = 200 * 1024, HUGE = 8 * 1024 * 1024 };

static uint8_t content[HUGE];

static world w;
static peer *p;
static lwsn_handle handle;

/* Runs the loop until `condition` holds, or the peer was dropped. False: neither came. */
#define UNTIL(condition) \
  __extension__({ \
    world_wait(&w); \
    while (!p->ended && !p->error && !(condition) && world_step(&w)) continue; \
    CHECK(!w.timed_out); \
    !p->ended && !p->error; \
  })

static void flush(void) {
  world_in_core = true;
  lwsn_outbound_flush(w.context);
  world_in_core = false;
}

static bool upgrade(void) {
  response r;
  bool answered = false;
  unsigned long opened = world_told(&w, LWSN_RECORD_OPEN);
  peer_say(p, WIRE_UPGRADE);
  if (!UNTIL((answered = answered || wire_response(p, &r)) && world_told(&w, LWSN_RECORD_OPEN) > opened)) return false;
  handle = world_last(&w, LWSN_RECORD_OPEN)->handle;
  return true;
}

static void requests(void) {
  response r;
  peer_say(p, WIRE_GET "\r\n" WIRE_GET);
  if (!UNTIL(wire_response(p, &r))) return;
  if (!UNTIL(wire_response(p, &r))) return;
  peer_say(p, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  UNTIL(world_told(&w, LWSN_RECORD_BODY) > 0);
  wire_fill(content, 3000);
  peer_say(p, "bb8\r\n");
  peer_send(p, content, 3000);
  peer_say(p, "\r\n0\r\n\r\n");
  UNTIL(wire_response(p, &r));
}

static void an_echo_of(unsigned opcode, size_t size, size_t step) {
  frame f;
  for (size_t at = 0; at < size; at += step) {
    size_t n = size - at < step ? size - at : step;
    wire_send(p, (at == 0 ? opcode : 0) | (at + n == size ? 0x80 : 0), content + at, n);
  }
  if (UNTIL(wire_next(p, &f))) CHECK((f.first & 0xf) == 8 || (f.size == size && memcmp(f.data, content, size) == 0));
}

static void messages(void) {
  if (!upgrade()) return;
  memset(content, 'a', LARGE);
  an_echo_of(1, 5, 5);
  an_echo_of(2, 5, 5);
  an_echo_of(1, 10000, 10000);
  an_echo_of(2, 10000, 3000);
  an_echo_of(1, LARGE, LARGE);
  an_echo_of(2, LARGE, 50000);
}

static void closing(void) {
  uint8_t bytes[150];
  if (!upgrade()) return;
  wire_send(p, WIRE_PONG, "pong", 4);
  size_t n = wire_frame(bytes, WIRE_PING, content, 100);
  peer_send(p, bytes, n / 2);
  world_step(&w);
  peer_send(p, bytes + n / 2, n - n / 2);
  frame f;
  if (!UNTIL(wire_next(p, &f))) return;
  wire_close(p, 4000, "with a reason");
  UNTIL(false);
}

static void failing_input(void) {
  if (!upgrade()) return;
  wire_send(p, 0x01, "half a message", 14);
  wire_send(p, 0x83, "", 0);
  UNTIL(false);
}

static void a_full_socket(void) {
  if (!upgrade()) return;
  peer_read(p, false);
  world_in_core = true;
  lwsn_outbound_send(w.context, handle, 2, content, HUGE);
  world_in_core = false;
  for (int i = 0; i < 3; i++) wire_send(p, WIRE_PING, content, 50);
  out_message(&w, handle, 1, "behind it", 9);
  out_tell(&w, handle, LWSN_OUT_WANT_WRITABLE);
  flush();
  for (int i = 0; i < 5; i++) uv_run(&w.loop, UV_RUN_NOWAIT);
  peer_read(p, true);
  frame f;
  if (!UNTIL(wire_next(p, &f))) return;
  UNTIL(world_told(&w, LWSN_RECORD_WRITABLE) > 0 && wire_next(p, &f));
}

static void topics(void) {
  frame f;
  if (!upgrade()) return;
  if (!out_subscribe(&w, handle, "news") || !out_subscribe(&w, handle, "more")) return;
  if (out_publish(&w, "news", "small", 5) == 1) {
    flush();
    if (!UNTIL(wire_next(p, &f))) return;
    CHECK_BYTES(f.data, f.size, "small");
  }
  peer_read(p, false);
  double waits = 0;
  for (int i = 0; i < 40 && waits == 0; i++) {
    out_publish(&w, "more", content, LARGE);
    flush();
    waits = lwsn_registry_get(&w.context->services.registry, handle) ? out_queued(&w, handle) : 1;
  }
  bool behind = out_publish(&w, "news", "behind it", 9) == 1;
  flush();
  peer_read(p, true);
  while (behind && UNTIL(wire_next(p, &f)) && f.size != 9) CHECK_INT(f.size, LARGE);
}

static void a_pause(void) {
  if (!upgrade()) return;
  unsigned long told = world_told(&w, LWSN_RECORD_BINARY);
  out_tell(&w, handle, LWSN_OUT_PAUSE);
  flush();
  for (int i = 0; i < 20; i++) wire_send(p, WIRE_BINARY, content, 1000);
  world_run(&w, 1);
  out_tell(&w, handle, LWSN_OUT_RESUME);
  flush();
  UNTIL(world_told(&w, LWSN_RECORD_BINARY) == told + 20);
}

static void frames_with_the_request(void) {
  uint8_t bytes[sizeof WIRE_UPGRADE + 64];
  size_t n = sizeof WIRE_UPGRADE - 1;
  memcpy(bytes, WIRE_UPGRADE, n);
  n += wire_frame(bytes + n, WIRE_TEXT, "at once", 7);
  peer_send(p, bytes, n);
  response r;
  frame f;
  if (UNTIL(wire_response(p, &r)) && r.status == 101) UNTIL(wire_next(p, &f));
}

static void an_upgrade_accepted_alone(void) {
  w.server->options.accepts_alone = w.server->options.tells_closed = true;
  frames_with_the_request();
  w.server->options.accepts_alone = false;
}

static void refusals(void) {
  peer_say(p, "junk\r\n\r\n");
  UNTIL(false);
}

static void streaming(void) {
  w.accept_flags = LWSN_CONNECTION_FRAGMENTS | LWSN_CONNECTION_TRANSIENT;
  if (upgrade()) {
    unsigned long told = world_told(&w, LWSN_RECORD_FRAGMENT);
    wire_send(p, 0x02, content, LARGE);
    wire_send(p, 0x80, content, 10);
    UNTIL(world_told(&w, LWSN_RECORD_FRAGMENT) > told &&
          (world_last(&w, LWSN_RECORD_FRAGMENT)->detail & LWSN_FRAGMENT_FINAL));
  }
  w.accept_flags = 0;
}

static void compressed(void) {
  static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}; /* RFC 7692 7.2.3.1 */
  static const unsigned takeovers[] = {0, LWSN_CONNECTION_OWN_TAKEOVER | LWSN_CONNECTION_PEER_TAKEOVER};
  for (int i = 0; i < 2; i++) {
    w.accept_flags = LWSN_CONNECTION_DEFLATE | takeovers[i] | 15u << LWSN_CONNECTION_OWN_WINDOW |
                     15u << LWSN_CONNECTION_PEER_WINDOW | 6u << LWSN_CONNECTION_LEVEL | 8u << LWSN_CONNECTION_MEM_LEVEL;
    if (!p->ended && !p->error && i > 0) {
      peer_close(p);
      p = peer_open(&w);
    }
    if (!upgrade()) break;
    frame f;
    unsigned long told = world_told(&w, LWSN_RECORD_TEXT);
    wire_send(p, 0x41, hello, 3);
    wire_send(p, 0x80, hello + 3, sizeof hello - 3);
    if (!UNTIL(world_told(&w, LWSN_RECORD_TEXT) > told)) break;
    CHECK_BYTES(world_last(&w, LWSN_RECORD_TEXT)->data, world_last(&w, LWSN_RECORD_TEXT)->size, "Hello");
    UNTIL(wire_next(p, &f));
  }
  w.accept_flags = 0;
}

/* The scenario with the `nth` allocation failing. False: it has fewer of them. */
static bool run_with(void (*scenario)(void), unsigned nth, bool for_ever) {
  world_begin(&w, NULL);
  w.accepts = w.echoes = w.responds = true;
  p = peer_open(&w);
  failing_begin(nth, for_ever);
  scenario();
  bool failed = failing_end();
  world_run(&w, 0);
  peer_close(p);
  CHECK_SOON(&w, w.server->stats.transports == 0);
  p = wire_open(&w, NULL);
  wire_text(p, "as if nothing had been");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "as if nothing had been");
  CHECK(world_end(&w));
  return failed;
}

static void every_allocation_may_fail_in(const char *name, void (*scenario)(void)) {
  unsigned nth = 1;
  while (run_with(scenario, nth, false)) nth++;
  CHECK_MSG(nth > 5, "%s makes only %u allocations", name, nth - 1);
  for (nth = 1; run_with(scenario, nth, true);) nth++;
}

static void no_batch(lwsn_context *context, void *data) { CHECK(context != data); }

static void listen_at(lwsn_server *server, const char *host, const char *path) {
  lwsn_listen_options where = {.host = host, .path = path, .backlog = 4};
  lwsn_bound bound;
  int error = lwsn_listener_open(server, &where, &bound);
  CHECK(error == 0 || error == UV_ENOMEM);
}

/* A context, a server and its listeners, with the `nth` allocation failing. False: there are fewer. */
static bool make_with(unsigned nth, bool for_ever) {
  static char path[64];
  snprintf(path, sizeof path, "/tmp/lwsn-memory-%d", (int)getpid());
  uv_loop_t loop;
  const char *why = NULL;
  int descriptors = world_descriptors();
  uv_loop_init(&loop);
  failing_begin(nth, for_ever);
  world_in_core = true;
  lwsn_context *context = lwsn_context_create(&loop, no_batch, NULL, &why);
  CHECK(context || (why && strlen(why) > 10));
  lwsn_server_options options = world_options();
  lwsn_server *server = context ? lwsn_server_create(&context->services, &options) : NULL;
  if (server) listen_at(server, "127.0.0.1", NULL);
  if (server) listen_at(server, NULL, path);
  world_in_core = false;
  bool failed = failing_end();
  CHECK(failed || server);
  if (context) lwsn_context_destroy(context, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK_INT(uv_loop_close(&loop), 0);
  CHECK_INT(world_descriptors(), descriptors);
  CHECK(access(path, F_OK) != 0);
  return failed;
}

static void every_allocation_may_fail_while_a_server_is_made(void) {
  unsigned nth = 1;
  while (make_with(nth, false)) nth++;
  CHECK_MSG(nth > 20, "making a server takes only %u allocations", nth - 1);
  for (nth = 1; make_with(nth, true);) nth++;
}

int main(void) {
  lwsn_door_silence();
  every_allocation_may_fail_in("requests", requests);
  every_allocation_may_fail_in("messages", messages);
  every_allocation_may_fail_in("closing", closing);
  every_allocation_may_fail_in("failing input", failing_input);
  every_allocation_may_fail_in("a full socket", a_full_socket);
  every_allocation_may_fail_in("topics", topics);
  every_allocation_may_fail_in("a pause", a_pause);
  every_allocation_may_fail_in("frames with the request", frames_with_the_request);
  every_allocation_may_fail_in("an upgrade accepted alone", an_upgrade_accepted_alone);
  every_allocation_may_fail_in("refusals", refusals);
  every_allocation_may_fail_in("streaming", streaming);
  every_allocation_may_fail_in("compressed messages", compressed);
  every_allocation_may_fail_while_a_server_is_made();
  return check_report();
}
