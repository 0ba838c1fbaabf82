/* TLS on accepted and on made transports: handshakes in pieces, records, alerts and every way to end. */
#include <stdlib.h>

#include "check.h"
#include "out.h"
#include "tls_peer.h"
#include "wire.h"

enum { LARGE = 300 * 1024 };

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void a_handshake_and_an_echo_in_pieces_of_every_size(void) {
  static const size_t steps[] = {1, 2, 7, 100, 0};
  for (int v = 0; v < 2; v++) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
      world w;
      tls_peer p;
      frame f;
      tls_world_begin(&w);
      tls_peer_open(&w, &p, versions[v], steps[i]);
      CHECK(world_last(&w, LWSN_RECORD_REQUEST)->detail & LWSN_REQUEST_SECURE);
      tls_peer_frame(&p, WIRE_TEXT, "hello", 5);
      CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
      CHECK_BYTES(f.data, f.size, "hello");
      tls_peer_free(&p);
      CHECK(world_end(&w));
    }
  }
}

static void large_messages_cross_many_records_in_both_directions(void) {
  uint8_t *content = malloc(LARGE);
  wire_fill(content, LARGE);
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    frame f;
    tls_world_begin(&w);
    tls_peer_open(&w, &p, versions[v], 0);
    tls_peer_frame(&p, WIRE_BINARY, content, LARGE);
    CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
    CHECK(f.size == LARGE && memcmp(f.data, content, LARGE) == 0);
    /* two frames that share their records, cut where no frame ends */
    uint8_t bytes[2 * (5 + WIRE_HEADER_MAX)];
    size_t n = wire_frame(bytes, WIRE_TEXT, "first", 5);
    n += wire_frame(bytes + n, WIRE_TEXT, "other", 5);
    tls_peer_send(&p, bytes, 3);
    tls_peer_send(&p, bytes + 3, n - 3);
    CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
    CHECK_BYTES(f.data, f.size, "first");
    CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
    CHECK_BYTES(f.data, f.size, "other");
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
  free(content);
}

static void a_close_handshake_ends_with_close_notify_and_is_clean(void) {
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    frame f;
    tls_world_begin(&w);
    tls_peer_open(&w, &p, versions[v], 0);
    tls_peer_frame(&p, WIRE_CLOSE, "\x03\xe8", 2);
    CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
    CHECK_INT(wire_code(&f), 1000);
    CHECK_SOON(&w, (tls_peer_pump(&p), p.ended && p.raw->ended));
    CHECK(!p.failed);
    tls_peer_notify(&p);
    peer_finish(p.raw);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
    CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1000);
    CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->extra, 1);
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

typedef void (*ending)(tls_peer *p);

static void by_close_notify(tls_peer *p) {
  tls_peer_notify(p);
  peer_finish(p->raw);
}
static void by_FIN(tls_peer *p) { peer_finish(p->raw); }
static void by_RST(tls_peer *p) { peer_reset(p->raw); }
static void inside_a_record(tls_peer *p) {
  peer_send(p->raw, "\x17\x03\x03\x01\x00 cut", 9);
  peer_finish(p->raw);
}

static void an_end_without_a_close_frame_is_1006_however_it_comes(void) {
  static const ending endings[] = {by_close_notify, by_FIN, by_RST, inside_a_record};
  for (int v = 0; v < 2; v++) {
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
      world w;
      tls_peer p;
      tls_world_begin(&w);
      tls_peer_open(&w, &p, versions[v], 0);
      uint8_t bytes[64];
      size_t n = wire_frame(bytes, WIRE_TEXT, "half a message", 14);
      tls_peer_send(&p, bytes, n - 7);
      endings[i](&p);
      CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
      const event *e = world_last(&w, LWSN_RECORD_CLOSED);
      CHECK_INT(e->detail, 1006);
      CHECK_INT(e->extra, 0);
      CHECK_MSG(e->size > 10, "ending %zu: no sentence", i);
      CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), 0);
      tls_peer_free(&p);
      CHECK(world_end(&w));
    }
  }
}

static void a_broken_record_is_answered_with_an_alert(void) {
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    tls_world_begin(&w);
    tls_peer_open(&w, &p, versions[v], 0);
    peer_send(p.raw,
              "\x17\x03\x03\x00\x20"
              "0123456789abcdef0123456789abcdef",
              37);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
    const event *e = world_last(&w, LWSN_RECORD_CLOSED);
    CHECK_INT(e->detail, 1006);
    CHECK_MSG(e->size > 10, "no sentence of OpenSSL"); /* its words depend on its version */
    CHECK_SOON(&w, (tls_peer_pump(&p), p.failed));
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

static void what_is_no_ClientHello_is_refused_and_nobody_is_told(void) {
  static const struct {
    const char *bytes;
    size_t size;
  } wrong[] = {
      {WIRE_GET, sizeof WIRE_GET - 1},
      {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10},
      {"\x17\x03\x03\x00\x01x", 6},
      {"\x16\x03\x01\xff\xff", 5},
  };
  world w;
  tls_world_begin(&w);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    peer *p = peer_open(&w);
    peer_send(p, wrong[i].bytes, wrong[i].size);
    CHECK_SOON(&w, p->ended || p->error);
    CHECK_SOON(&w, w.server->stats.transports == 0);
    peer_close(p);
  }
  CHECK_INT(w.event_count, 0);
  CHECK(world_end(&w));
}

static void a_handshake_that_stops_ends_with_its_peer_or_after_handshakeTimeout(void) {
  world w;
  tls_peer p;
  tls_world_begin(&w);
  tls_peer_begin(&p, peer_open(&w), false, TLS1_3_VERSION);
  SSL_do_handshake(p.ssl);
  char *hello;
  long size = BIO_get_mem_data(SSL_get_wbio(p.ssl), &hello);
  peer_send(p.raw, hello, (size_t)size / 2);
  CHECK_SOON(&w, w.server->stats.bytes_received == (uint64_t)size / 2);
  peer *other = peer_open(&w);
  peer_send(other, hello, (size_t)size / 2);
  CHECK_SOON(&w, w.server->stats.bytes_received == (uint64_t)size / 2 * 2);
  peer_finish(other);
  CHECK_SOON(&w, w.server->stats.transports == 1);
  CHECK_AFTER(&w, 60000, p.raw->ended);
  CHECK_SOON(&w, w.server->stats.transports == 0);
  CHECK_INT(w.event_count, 0);
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

static void a_renegotiation_is_refused(void) {
  world w;
  tls_peer p;
  tls_world_begin(&w);
  tls_peer_open(&w, &p, TLS1_2_VERSION, 0);
  SSL_renegotiate(p.ssl);
  SSL_do_handshake(p.ssl);
  CHECK_SOON(&w, (tls_peer_pump(&p), p.failed));
  CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), 1);
  peer_close(p.raw);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

static void a_key_update_is_answered_and_the_stream_goes_on(void) {
  world w;
  tls_peer p;
  frame f;
  tls_world_begin(&w);
  tls_peer_open(&w, &p, TLS1_3_VERSION, 0);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    tls_peer_frame(&p, WIRE_TEXT, "under new keys", 14);
    CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
    CHECK_BYTES(f.data, f.size, "under new keys");
  }
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

static void destroying_the_context_in_each_state_leaves_nothing(void) {
  for (int state = 0; state < 3; state++) {
    world w;
    tls_peer p;
    tls_world_begin(&w);
    if (state == 2) {
      tls_peer_open(&w, &p, TLS1_3_VERSION, 0);
    } else {
      tls_peer_begin(&p, peer_open(&w), false, TLS1_3_VERSION);
      if (state == 1) SSL_do_handshake(p.ssl), peer_send(p.raw, "\x16\x03\x01", 3);
      CHECK_SOON(&w, w.server->stats.transports == 1);
    }
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

int main(void) {
  a_handshake_and_an_echo_in_pieces_of_every_size();
  large_messages_cross_many_records_in_both_directions();
  a_close_handshake_ends_with_close_notify_and_is_clean();
  an_end_without_a_close_frame_is_1006_however_it_comes();
  a_broken_record_is_answered_with_an_alert();
  what_is_no_ClientHello_is_refused_and_nobody_is_told();
  a_handshake_that_stops_ends_with_its_peer_or_after_handshakeTimeout();
  a_renegotiation_is_refused();
  a_key_update_is_answered_and_the_stream_goes_on();
  destroying_the_context_in_each_state_leaves_nothing();
  tls_peer_forget();
  return check_report();
}
