/* Connections that get their messages in pieces (FRAGMENTS), and payloads lent for one batch (TRANSIENT). */
#include <stdlib.h>

#include "check.h"
#include "out.h"
#include "websocket/connection.h"
#include "wire.h"

/* What the fragments told so far amount to. */
typedef struct stream {
  size_t size;
  unsigned firsts, finals, texts, pieces;
  bool same; /* the bytes are those of `expected`, again and again */
} stream;

static stream joined(const world *w, const uint8_t *expected, size_t size) {
  stream s = {.same = true};
  const event *e;
  size_t at = 0;
  for (size_t i = 0; (e = world_nth(w, LWSN_RECORD_FRAGMENT, i)); i++) {
    if (e->detail & LWSN_FRAGMENT_FIRST) {
      s.firsts++;
      at = 0;
    }
    s.same = s.same && at + e->size <= size && (e->size == 0 || memcmp(e->data, expected + at, e->size) == 0);
    at += e->size;
    s.size += e->size;
    s.finals += (e->detail & LWSN_FRAGMENT_FINAL) != 0;
    s.texts += (e->detail & LWSN_FRAGMENT_TEXT) != 0;
    s.pieces++;
  }
  return s;
}

static void fragments_are_told_as_they_come(void) {
  enum { SIZE = 300000 };
  uint8_t *data = malloc(SIZE), *bytes = malloc(SIZE + WIRE_HEADER_MAX);
  wire_fill(data, SIZE);
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  w.accept_flags = LWSN_CONNECTION_FRAGMENTS;
  peer *p = wire_open(&w, NULL);
  CHECK(peer_drip(p, bytes, wire_frame(bytes, WIRE_BINARY, data, SIZE), 50000));
  wire_send(p, 0x02, data, 3);
  wire_send(p, 0x00, data + 3, 0);
  wire_send(p, 0x80, data + 3, 7);
  wire_send(p, WIRE_BINARY, data, 0);
  CHECK_SOON(&w, joined(&w, data, SIZE).finals == 3);
  stream s = joined(&w, data, SIZE);
  CHECK(s.same);
  CHECK_INT(s.size, SIZE + 10);
  CHECK_INT(s.firsts, 3);
  CHECK_INT(s.texts, 0);
  CHECK(s.pieces >= 5 + 2 + 1);
  CHECK_INT(w.server->stats.messages_received, 3);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), 0);
  free(data);
  free(bytes);
  CHECK(world_end(&w));
}

static void a_streamed_text_is_checked_across_its_pieces(void) {
  static const uint8_t text[] = "gr\xc3\xbcn \xf0\x9f\x98\x80!";
  uint8_t bytes[64];
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  w.accept_flags = LWSN_CONNECTION_FRAGMENTS;
  peer *p = wire_open(&w, NULL);
  CHECK(peer_drip(p, bytes, wire_frame(bytes, WIRE_TEXT, text, sizeof text - 1), 1));
  CHECK_SOON(&w, joined(&w, text, sizeof text).finals == 1);
  stream s = joined(&w, text, sizeof text);
  CHECK(s.same && s.texts == s.pieces && s.firsts == 1);
  CHECK_INT(s.size, sizeof text - 1);
  wire_send(p, WIRE_TEXT, text, 3); /* ends inside a sequence */
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(wire_code(&f), 1007);
  CHECK_INT(joined(&w, text, sizeof text).finals, 1);
  CHECK(world_end(&w));
}

static void a_streamed_message_may_not_grow_beyond_maxPayload(void) {
  uint8_t data[1000] = {0};
  lwsn_server_options options = world_options();
  options.max_payload = 2500;
  world w;
  world_begin(&w, &options);
  w.accepts = true;
  w.accept_flags = LWSN_CONNECTION_FRAGMENTS;
  peer *p = wire_open(&w, NULL);
  wire_send(p, 0x02, data, 1000);
  wire_send(p, 0x00, data, 1000);
  wire_send(p, 0x00, data, 501);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(wire_code(&f), 1009);
  CHECK_INT(world_told(&w, LWSN_RECORD_FRAGMENT), 2);
  CHECK(world_end(&w));
}

/* Keeps the slabs of the first batch that carries a message, as the reader does with an ArrayBuffer. */
typedef struct keeper {
  lwsn_slab *slab;
  const uint8_t *data;
} keeper;

static void keep_first(world *w, const event *e) {
  keeper *k = w->user;
  if (k->slab || e->kind != LWSN_RECORD_BINARY) return;
  const lwsn_record *ring = (const lwsn_record *)w->context->services.inbound.ring->data;
  for (uint32_t i = 0; i < w->context->services.inbound.count; i++) {
    if (ring[i].kind != LWSN_RECORD_BINARY) continue;
    k->slab = w->context->services.inbound.table[ring[i].slab];
    k->data = k->slab->data + ring[i].offset;
    lwsn_slab_ref(k->slab);
    return;
  }
}

static void a_kept_message_is_never_written_again(void) {
  static const size_t sizes[] = {10, 4096, 5000, 131072, 200000};
  for (size_t i = 0; i < 5; i++) {
    world w;
    keeper k = {NULL, NULL};
    world_begin(&w, NULL);
    w.accepts = true;
    w.react = keep_first;
    w.user = &k;
    peer *p = wire_open(&w, NULL);
    uint8_t *data = malloc(sizes[i]), *other = malloc(sizes[i]);
    wire_fill(data, sizes[i]);
    wire_fill(other, sizes[i]);
    wire_send(p, WIRE_BINARY, data, sizes[i]);
    CHECK_SOON(&w, k.slab != NULL);
    for (int n = 0; n < 40; n++) wire_send(p, WIRE_BINARY, other, sizes[i]);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == 41);
    CHECK_MSG(memcmp(k.data, data, sizes[i]) == 0, "a kept message of %zu bytes was written over", sizes[i]);
    world_destroy(&w);
    CHECK_MSG(memcmp(k.data, data, sizes[i]) == 0, "a kept message of %zu bytes died with the context", sizes[i]);
    lwsn_slab_unref(k.slab);
    free(data);
    free(other);
    CHECK(world_end(&w));
  }
}

/* Gives the slab away in the middle of its batch, as a transfer does. */
static void abandon_each(world *w, const event *e) {
  if (e->kind != LWSN_RECORD_BINARY && e->kind != LWSN_RECORD_TEXT) return;
  const lwsn_inbound *in = &w->context->services.inbound;
  for (uint32_t id = 0; id < in->table_used; id++) lwsn_inbound_abandon(&w->context->services.inbound, (int32_t)id);
}

static void a_slab_that_its_reader_gave_away_is_not_used_again(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  w.react = abandon_each;
  peer *p = wire_open(&w, NULL);
  uint8_t data[6000];
  for (uint32_t i = 0; i < 50; i++) {
    wire_fill(data, sizeof data);
    wire_send(p, WIRE_BINARY, data, i % 2 ? 100 : sizeof data);
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(f.size == (i % 2 ? 100 : sizeof data) && memcmp(f.data, data, f.size) == 0);
    wire_text(p, "a text in between");
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_BYTES(f.data, f.size, "a text in between");
  }
  CHECK(w.context->services.inbound.table_used <= 4);
  CHECK(world_end(&w));
}

static void transient_messages_leave_no_slab_behind(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  w.accept_flags = LWSN_CONNECTION_TRANSIENT;
  peer *p = wire_open(&w, NULL);
  static uint8_t data[300000];
  static const size_t sizes[] = {0, 1, 4096, 4097, 131072, 131073, 300000};
  for (size_t i = 0; i < 70; i++) {
    size_t size = sizes[i % 7];
    frame f;
    wire_fill(data, size);
    wire_send(p, WIRE_BINARY, data, size);
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(f.size == size && (size == 0 || memcmp(f.data, data, size) == 0));
  }
  CHECK(w.context->services.inbound.table_used <= 4);
  CHECK(world_end(&w));
}

int main(void) {
  fragments_are_told_as_they_come();
  a_streamed_text_is_checked_across_its_pieces();
  a_streamed_message_may_not_grow_beyond_maxPayload();
  a_kept_message_is_never_written_again();
  a_slab_that_its_reader_gave_away_is_not_used_again();
  transient_messages_leave_no_slab_behind();
  return check_report();
}
