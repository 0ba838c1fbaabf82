/* The client's role: a socket that we connected, its request, every answer, frames, and every way to end. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "life.h"
#include "net/adopt.h"
#include "net/tls.h"
#include "net/transports.h"
#include "out.h"
#include "tls_peer.h"
#include "wire.h"

#define ANSWER \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Accept: " WIRE_ACCEPT "\r\n\r\n"

/* A listening socket of the test's own; the core connects nothing itself. */
static int listener;
static struct sockaddr_in listening;

static void listen_somewhere(void) {
  socklen_t size = sizeof listening;
  listening = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&listening, size) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, (struct sockaddr *)&listening, &size) != 0)
    world_fatal("cannot listen");
}

/* A peer that is the server of a transport of ours, which begins. */
static peer *call(world *w, const char *host, lwsn_handle *handle) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&listening, sizeof listening) != 0) world_fatal("cannot connect");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  peer *p = peer_take_fd(w, accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
  CHECK_INT(lwsn_adopt_client(w->server, fd, host, handle), 0);
  close(fd); /* the core has a copy */
  life_adopted(w, *handle);
  return p;
}

/* The request is written when CONNECTED was told, and came whole. */
static peer *ask(world *w, lwsn_handle *handle) {
  unsigned long connected = world_told(w, LWSN_RECORD_CONNECTED);
  peer *p = call(w, NULL, handle);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_CONNECTED) == connected + 1);
  out_raw(w, *handle, WIRE_UPGRADE);
  CHECK_SOON(w, peer_waiting(p) == sizeof WIRE_UPGRADE - 1);
  CHECK_BYTES(peer_bytes(p), peer_waiting(p), WIRE_UPGRADE);
  peer_take(p, peer_waiting(p));
  return p;
}

static peer *open_client(world *w, lwsn_handle *handle, unsigned flags) {
  peer *p = ask(w, handle);
  unsigned long answered = world_told(w, LWSN_RECORD_RESPONSE), opened = world_told(w, LWSN_RECORD_OPEN);
  peer_say(p, ANSWER);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_RESPONSE) == answered + 1);
  out_accept(w, *handle, NULL, flags);
  CHECK_SOON(w, world_told(w, LWSN_RECORD_OPEN) == opened + 1);
  return p;
}

/* The next frame of ours, which must be masked; unmasked into `out`. False: not whole yet. */
static bool next_frame(peer *p, unsigned *first, uint8_t *out, size_t *size) {
  size_t n = peer_waiting(p);
  const uint8_t *in = peer_bytes(p);
  if (n < 6 || n < 6u + (in[1] & 0x7f)) return false;
  if (!(in[1] & 0x80) || (in[1] & 0x7f) > 125) world_violate(p->world, "a frame of the client is not masked, or long");
  *first = in[0];
  *size = in[1] & 0x7f;
  for (size_t i = 0; i < *size; i++) out[i] = in[6 + i] ^ in[2 + (i & 3)];
  peer_take(p, 6 + *size);
  return true;
}

static size_t unmasked(uint8_t *to, unsigned first, const char *text) {
  size_t size = strlen(text);
  to[0] = (uint8_t)first;
  to[1] = (uint8_t)size;
  memcpy(to + 2, text, size);
  return 2 + size;
}

static void the_answer_is_told_whole_in_pieces_of_any_size(void) {
  static const size_t steps[] = {1, 5, sizeof ANSWER};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    peer *p = ask(&w, &handle);
    CHECK(peer_drip(p, ANSWER, sizeof ANSWER - 1, steps[i]));
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_RESPONSE) == 1);
    const event *e = world_last(&w, LWSN_RECORD_RESPONSE);
    CHECK_BYTES(e->data, e->size, ANSWER);
    CHECK_INT(world_told(&w, LWSN_RECORD_OPEN), 0);
    CHECK(world_end(&w));
  }
}

static void frames_behind_the_answer_wait_for_its_acceptance(void) {
  world w;
  lwsn_handle handle;
  world_begin(&w, NULL);
  peer *p = ask(&w, &handle);
  uint8_t bytes[sizeof ANSWER + 64];
  memcpy(bytes, ANSWER, sizeof ANSWER - 1);
  size_t n = sizeof ANSWER - 1;
  n += unmasked(bytes + n, 0x01, "in two ");
  n += unmasked(bytes + n, 0x80, "frames");
  peer_send(p, bytes, n);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_RESPONSE) == 1);
  world_run(&w, 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), 0);
  out_accept(&w, handle, NULL, 0);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_TEXT) == 1);
  CHECK_BYTES(world_last(&w, LWSN_RECORD_TEXT)->data, world_last(&w, LWSN_RECORD_TEXT)->size, "in two frames");
  CHECK(world_end(&w));
}

static void our_frames_are_masked_and_each_with_a_key_of_its_own(void) {
  enum { COUNT = 200 };
  world w;
  lwsn_handle handle;
  uint8_t data[125];
  uint32_t keys[COUNT];
  unsigned first, repeated = 0;
  size_t size;
  world_begin(&w, NULL);
  peer *p = open_client(&w, &handle, 0);
  for (int i = 0; i < COUNT; i++) {
    out_message(&w, handle, 1, "hello", 5);
    CHECK_SOON(&w, peer_waiting(p) == 11);
    memcpy(&keys[i], peer_bytes(p) + 2, 4);
    CHECK(next_frame(p, &first, data, &size));
    CHECK_INT(first, WIRE_TEXT);
    CHECK_BYTES(data, size, "hello");
    for (int j = 0; j < i; j++) repeated += keys[j] == keys[i];
  }
  CHECK_MSG(repeated <= 1, "%u keys came again", repeated);
  CHECK(world_end(&w));
}

static void a_masked_frame_of_the_server_fails_the_connection(void) {
  world w;
  lwsn_handle handle;
  uint8_t data[125];
  unsigned first;
  size_t size;
  world_begin(&w, NULL);
  peer *p = open_client(&w, &handle, 0);
  wire_text(p, "masked");
  CHECK_SOON(&w, next_frame(p, &first, data, &size));
  CHECK_INT(first, WIRE_CLOSE);
  CHECK_INT(data[0] << 8 | data[1], 1002);
  peer_close(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1006);
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), 0);
  CHECK(world_end(&w));
}

static void the_client_lets_the_server_end_TCP_and_is_clean(void) {
  world w;
  lwsn_handle handle;
  uint8_t data[125], bytes[8] = {WIRE_CLOSE, 2, 0x03, 0xe8};
  unsigned first;
  size_t size;
  world_begin(&w, NULL);
  peer *p = open_client(&w, &handle, 0);
  out_close(&w, handle, 1000, NULL);
  CHECK_SOON(&w, next_frame(p, &first, data, &size));
  CHECK_INT(first, WIRE_CLOSE);
  peer_send(p, bytes, 4);
  world_run(&w, 1);
  CHECK(!p->ended); /* RFC 6455 7.1.1 */
  peer_finish(p);
  CHECK_SOON(&w, p->ended);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1000);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->extra, 1);
  CHECK(world_end(&w));
}

static void the_body_of_a_refusal_comes_as_it_is_and_then_GONE(void) {
  world w;
  lwsn_handle handle;
  world_begin(&w, NULL);
  peer *p = ask(&w, &handle);
  peer_say(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_RESPONSE) == 1);
  world_run(&w, 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BODY), 0);
  out_tell(&w, handle, LWSN_OUT_RESUME);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BODY) == 1);
  CHECK_BYTES(world_last(&w, LWSN_RECORD_BODY)->data, world_last(&w, LWSN_RECORD_BODY)->size, "no");
  peer_finish(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
  CHECK_INT(w.server->stats.transports, 0);
  CHECK(world_end(&w));
}

static void an_answer_over_maxHeaderSize_ends_it_with_a_sentence(void) {
  world w;
  lwsn_handle handle;
  world_begin(&w, NULL);
  peer *p = ask(&w, &handle);
  char line[5000];
  memset(line, 'a', sizeof line);
  peer_say(p, "HTTP/1.1 101 ");
  peer_send(p, line, sizeof line);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
  CHECK(strstr((const char *)world_last(&w, LWSN_RECORD_GONE)->data, "maxHeaderSize"));
  CHECK_INT(world_told(&w, LWSN_RECORD_RESPONSE), 0);
  CHECK(world_end(&w));
}

static void what_can_be_no_answer_ends_it_at_once(void) {
  static const char *const texts[] = {"SSH-2.0-x\r\n", "\x15\x03\x01", "HTTP/1.1 403 x\nA: b\n\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    peer *p = ask(&w, &handle);
    peer_say(p, texts[i]);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
    CHECK_INT(world_last(&w, LWSN_RECORD_GONE)->detail, LWSN_GONE_ANSWER);
    CHECK(world_end(&w));
  }
}

typedef void (*ending)(world *w, peer *p, lwsn_handle handle);

static void by_FIN(world *w, peer *p, lwsn_handle handle) { peer_finish(p); }
static void by_RST(world *w, peer *p, lwsn_handle handle) { peer_reset(p); }
static void by_us(world *w, peer *p, lwsn_handle handle) { out_tell(w, handle, LWSN_OUT_TERMINATE); }
static void by_its_server(world *w, peer *p, lwsn_handle handle) {
  lwsn_server_kill_all(w->server);
  lwsn_outbound_flush(w->context);
}

static void each_state_ends_once_in_each_way(void) {
  static const ending endings[] = {by_FIN, by_RST, by_us, by_its_server};
  for (int state = 0; state < 4; state++) {
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
      world w;
      lwsn_handle handle;
      world_begin(&w, NULL);
      peer *p = state == 0 ? call(&w, NULL, &handle) : state < 3 ? ask(&w, &handle) : open_client(&w, &handle, 0);
      if (state == 2) {
        peer_say(p, ANSWER);
        CHECK_SOON(&w, world_told(&w, LWSN_RECORD_RESPONSE) == 1);
      }
      endings[i](&w, p, handle);
      CHECK_SOON(&w, w.server->stats.transports == 0);
      lwsn_record_kind last = state < 3 ? LWSN_RECORD_GONE : LWSN_RECORD_CLOSED;
      CHECK_SOON(&w, world_told(&w, last) == 1);
      CHECK_INT(world_told(&w, LWSN_RECORD_GONE) + world_told(&w, LWSN_RECORD_CLOSED), 1);
      CHECK(world_end(&w));
    }
  }
}

static void what_came_of_an_answer_is_told_before_its_end(void) {
  static const ending endings[] = {by_FIN, by_RST, by_us, NULL};
  static const int errors[] = {0, ECONNRESET, 0, 0};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    peer *p = ask(&w, &handle);
    peer_say(p, "HTTP/1.1 403 No\r\nX");
    CHECK_SOON(&w, w.server->stats.bytes_received == sizeof "HTTP/1.1 403 No\r\nX" - 1);
    if (endings[i]) {
      endings[i](&w, p, handle);
      CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) > 0);
    } else {
      CHECK_AFTER(&w, 60000, world_told(&w, LWSN_RECORD_GONE) > 0);
    }
    CHECK_INT(world_told(&w, LWSN_RECORD_RESPONSE), 1);
    const event *e = world_last(&w, LWSN_RECORD_RESPONSE);
    CHECK_INT(e->detail, 1);
    CHECK_BYTES(e->data, e->size, "HTTP/1.1 403 No\r\nX");
    CHECK_INT(world_last(&w, LWSN_RECORD_GONE)->extra, errors[i]);
    CHECK(world_end(&w));
  }
}

static void a_server_that_never_answers_is_given_up_after_handshakeTimeout(void) {
  world w;
  lwsn_handle handle;
  world_begin(&w, NULL);
  ask(&w, &handle);
  CHECK_AFTER(&w, 60000, world_told(&w, LWSN_RECORD_GONE) > 0);
  CHECK_INT(world_nth(&w, LWSN_RECORD_GONE, 0)->detail, LWSN_GONE_TIMEOUT);
  CHECK_SOON(&w, w.server->stats.transports == 0);
  CHECK(world_end(&w));
}

/* A client under TLS, of a server that has a certificate for localhost; true when CONNECTED came. */
static bool connect_tls(world *w, tls_peer *p, bool trusting, const char *host, int version) {
  lwsn_handle handle;
  world_begin(w, NULL);
  lwsn_tls_context *context = tls_client_context(trusting);
  lwsn_server_set_tls(w->server, context);
  lwsn_tls_context_unref(context);
  tls_peer_begin(p, call(w, host, &handle), true, version);
  CHECK_SOON(w, (tls_peer_pump(p), world_told(w, LWSN_RECORD_CONNECTED) + world_told(w, LWSN_RECORD_GONE) > 0));
  return world_told(w, LWSN_RECORD_CONNECTED) == 1;
}

static void the_certificate_and_its_name_are_verified(void) {
  static const struct {
    bool trusting;
    const char *host, *why;
  } cases[] = {
      {true, "localhost", NULL},
      {false, "localhost", "self-signed certificate"},
      {true, "example.org", "hostname mismatch"},
      {true, "127.0.0.1", "IP address mismatch"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
      world w;
      tls_peer p;
      bool connected = connect_tls(&w, &p, cases[i].trusting, cases[i].host, version);
      CHECK_MSG(connected == !cases[i].why, "case %zu", i);
      if (cases[i].why) {
        const event *e = world_last(&w, LWSN_RECORD_GONE);
        CHECK_MSG(e && strcasestr((const char *)e->data, cases[i].why), "case %zu: told \"%s\"", i,
                  e ? (char *)e->data : "");
        CHECK_SOON(&w, (tls_peer_pump(&p), p.failed)); /* the alert came */
      }
      tls_peer_free(&p);
      CHECK(world_end(&w));
    }
  }
}

int main(void) {
  listen_somewhere();
  the_answer_is_told_whole_in_pieces_of_any_size();
  frames_behind_the_answer_wait_for_its_acceptance();
  our_frames_are_masked_and_each_with_a_key_of_its_own();
  a_masked_frame_of_the_server_fails_the_connection();
  the_client_lets_the_server_end_TCP_and_is_clean();
  the_body_of_a_refusal_comes_as_it_is_and_then_GONE();
  an_answer_over_maxHeaderSize_ends_it_with_a_sentence();
  what_can_be_no_answer_ends_it_at_once();
  each_state_ends_once_in_each_way();
  what_came_of_an_answer_is_told_before_its_end();
  a_server_that_never_answers_is_given_up_after_handshakeTimeout();
  the_certificate_and_its_name_are_verified();
  tls_peer_forget();
  close(listener);
  return check_report();
}
