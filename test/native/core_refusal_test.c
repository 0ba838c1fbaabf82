/* What no handler needs to see: requests that are refused with their status, and how such a transport ends. */
#include <stdlib.h>

#include "check.h"
#include "out.h"
#include "wire.h"

#define UPGRADE_WITH(method, version, key, more) \
  method " / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" version key more "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const struct {
  const char *head;
  int status;
  const char *line; /* a header line the answer has */
} refused[] = {
    {"garbage\r\n\r\n", 400, NULL},
    {"\x16\x03\x01\x02\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n\r\n", 400, NULL},
    {"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501, NULL},
    {"GET / HTTP/1.1\nHost: x\n\n", 400, NULL},
    {"SSH-2.0-client\r\n", 400, NULL},
    {"\x16", 400, NULL},
    {"\n", 400, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, NULL},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, NULL},
    {UPGRADE_WITH("POST", VERSION, KEY, ""), 405, "Allow: GET"},
    {UPGRADE_WITH("GET", "", KEY, ""), 426, "Sec-WebSocket-Version: 13"},
    {UPGRADE_WITH("GET", "Sec-WebSocket-Version: 8\r\n", KEY, ""), 426, "Sec-WebSocket-Version: 13"},
    {UPGRADE_WITH("GET", VERSION, "", ""), 400, NULL},
    {UPGRADE_WITH("GET", VERSION, "Sec-WebSocket-Key: short\r\n", ""), 400, NULL},
    {UPGRADE_WITH("GET", VERSION, KEY KEY, ""), 400, NULL},
    {UPGRADE_WITH("GET", VERSION, KEY, "Content-Length: 4\r\n"), 400, NULL},
    {"GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" VERSION KEY "\r\n", 400, NULL},
};

enum { REFUSED = sizeof refused / sizeof *refused };

static void a_bad_head_is_answered_with_its_status_a_sentence_and_FIN(void) {
  world w;
  world_begin(&w, NULL);
  for (size_t i = 0; i < REFUSED; i++) {
    peer *p = peer_open(&w);
    response r;
    peer_say(p, refused[i].head);
    CHECK_SOON(&w, p->ended);
    if (!CHECK_MSG(wire_response(p, &r), "no answer to %s", refused[i].head)) continue;
    CHECK_MSG(r.status == refused[i].status, "%d instead of %d for %s", r.status, refused[i].status, refused[i].head);
    CHECK(wire_has(&r, "Connection: close"));
    CHECK(memmem(r.head, r.head_size, "\r\nDate: ", 8) != NULL);
    CHECK_MSG(!refused[i].line || wire_has(&r, refused[i].line), "no line %s", refused[i].line);
    CHECK(r.body_size > 10 && r.body[r.body_size - 1] == '\n');
    CHECK_INT(peer_waiting(p), 0);
    peer_close(p);
  }
  CHECK_SOON(&w, w.server->stats.transports == 0);
  CHECK_INT(w.server->stats.refused, REFUSED);
  CHECK_INT(w.batches, 0);
  CHECK(world_end(&w));
}

static void a_bad_head_is_refused_alike_byte_by_byte(void) {
  world w;
  world_begin(&w, NULL);
  for (size_t i = 0; i < REFUSED; i++) {
    peer *p = peer_open(&w);
    response r;
    CHECK(peer_drip(p, refused[i].head, strlen(refused[i].head), 1));
    CHECK_SOON(&w, wire_response(p, &r));
    CHECK_INT(r.status, refused[i].status);
  }
  CHECK(world_end(&w));
}

static void a_bad_request_behind_a_good_one_is_refused_in_its_turn(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET "junk\r\n\r\n");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  out_response(&w, world_last(&w, LWSN_RECORD_REQUEST)->handle, "200 OK", "good", true);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 200);
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 400);
  CHECK_SOON(&w, p->ended);
  peer_close(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
  CHECK(world_end(&w));
}

/* A valid request of exactly so many bytes. */
static char *padded(size_t size) {
  static const char start[] = "GET / HTTP/1.1\r\nHost: x\r\nPadding: ";
  char *head = malloc(size);
  if (!head) world_fatal("no memory");
  memset(head, 'p', size);
  memcpy(head, start, sizeof start - 1);
  memcpy(head + size - 4, "\r\n\r\n", 4);
  return head;
}

static void a_head_of_maxHeaderSize_is_taken_and_one_byte_more_is_431(void) {
  static const size_t steps[] = {100000, 1000, 7};
  lwsn_server_options options = world_options();
  options.max_header_size = 2000;
  world w;
  world_begin(&w, &options);
  for (size_t i = 0; i < 3; i++) {
    for (size_t over = 0; over < 2; over++) {
      char *head = padded(options.max_header_size + over);
      peer *p = peer_open(&w);
      response r;
      CHECK(peer_drip(p, head, options.max_header_size + over, steps[i]));
      free(head);
      if (over) {
        CHECK_SOON(&w, wire_response(p, &r));
        CHECK_INT(r.status, 431);
        CHECK_SOON(&w, p->ended);
      } else {
        CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == i + 1);
      }
    }
  }
  CHECK(world_end(&w));
}

static void an_endless_head_costs_no_more_than_maxHeaderSize(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  static char flood[4 * 1024 * 1024];
  memset(flood, 'a', sizeof flood);
  peer_send(p, flood, sizeof flood);
  response r;
  CHECK_SOON(&w, wire_response(p, &r));
  CHECK_INT(r.status, 431);
  CHECK_SOON(&w, p->out_size == 0); /* all of it was read, and thrown away */
  CHECK_SOON(&w, p->ended);
  CHECK(w.server->stats.bytes_received > 0);
  peer_finish(p);
  CHECK_SOON(&w, w.server->stats.transports == 0);
  CHECK_INT(w.batches, 0);
  CHECK(world_end(&w));
}

static void a_slow_head_is_408_when_handshakeTimeout_is_over_however_it_drips(void) {
  lwsn_server_options options = world_options();
  options.handshake_timeout = 1000;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  response r;
  for (size_t i = 0; i < 20; i++) {
    CHECK(peer_drip(p, &WIRE_GET[i], 1, 1));
    if (i < 19) world_pass(&w, 50);
  }
  CHECK_AFTER(&w, 50, wire_response(p, &r));
  CHECK_INT(r.status, 408);
  CHECK_SOON(&w, p->ended);
  CHECK_INT(w.batches, 0);
  CHECK(world_end(&w));
}

static void a_silent_peer_is_dropped_without_an_answer_when_handshakeTimeout_is_over(void) {
  lwsn_server_options options = world_options();
  options.handshake_timeout = 1000;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  CHECK_SOON(&w, w.server->stats.transports == 1);
  CHECK_AFTER(&w, 1000, p->ended || p->error);
  CHECK_INT(peer_waiting(p), 0);
  CHECK_INT(w.server->stats.transports, 0);
  CHECK(world_end(&w));
}

static void a_later_request_has_a_handshakeTimeout_of_its_own(void) {
  lwsn_server_options options = world_options();
  options.handshake_timeout = 1000;
  options.keep_alive_timeout = 5000;
  options.idle_timeout = 60000;
  world w;
  world_begin(&w, &options);
  w.responds = true;
  peer *p = peer_open(&w);
  response r;
  peer_say(p, WIRE_GET);
  CHECK_SOON(&w, wire_response(p, &r));
  world_pass(&w, 3000);
  CHECK(peer_drip(p, "GET /", 5, 5));
  CHECK_AFTER(&w, 1000, wire_response(p, &r));
  CHECK_INT(r.status, 408);
  CHECK(world_end(&w));
}

static void a_refused_peer_that_never_closes_is_dropped_after_closeTimeout(void) {
  lwsn_server_options options = world_options();
  options.close_timeout = 1000;
  world w;
  world_begin(&w, &options);
  peer *p = peer_open(&w);
  peer_say(p, "junk\r\n\r\n");
  CHECK_SOON(&w, p->ended);
  CHECK_AFTER(&w, 1000, w.server->stats.transports == 0);
  CHECK(world_end(&w));
}

int main(void) {
  a_bad_head_is_answered_with_its_status_a_sentence_and_FIN();
  a_bad_head_is_refused_alike_byte_by_byte();
  a_bad_request_behind_a_good_one_is_refused_in_its_turn();
  a_head_of_maxHeaderSize_is_taken_and_one_byte_more_is_431();
  an_endless_head_costs_no_more_than_maxHeaderSize();
  a_slow_head_is_408_when_handshakeTimeout_is_over_however_it_drips();
  a_silent_peer_is_dropped_without_an_answer_when_handshakeTimeout_is_over();
  a_later_request_has_a_handshakeTimeout_of_its_own();
  a_refused_peer_that_never_closes_is_dropped_after_closeTimeout();
  return check_report();
}
