/* The crossing under load: more records than the ring holds, and what happens while a batch is being read. */
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "context/servers.h"
#include "crossing/outbound.h"
#include "net/transports.h"
#include "out.h"
#include "wire.h"

enum { PEERS = 4, EACH = 12000 };

typedef struct tally {
  unsigned long total, most_records, stop_at;
  size_t most_bytes;
  unsigned long in_batch, batch;
  uint32_t next[64]; /* by slot: the number its next message must carry */
  bool right;
} tally;

/* Counts messages and checks their numbers; stops the loop at the last one. */
static void count(world *w, const event *e) {
  tally *t = w->user;
  if (w->batches != t->batch) t->in_batch = 0;
  t->batch = w->batches;
  if (++t->in_batch > t->most_records) t->most_records = t->in_batch;
  if (w->context->services.inbound.batch_bytes > t->most_bytes)
    t->most_bytes = w->context->services.inbound.batch_bytes;
  if (e->kind != LWSN_RECORD_BINARY) return;
  uint32_t *next = &t->next[e->handle.slot % 64];
  t->right = t->right && e->size >= 4 && memcmp(e->data, next, 4) == 0;
  ++*next;
  t->total++;
  if (w->event_count > 10000) world_forget(w);
}

static uint8_t *numbered(uint32_t count, size_t size, size_t *n) {
  uint8_t *bytes = malloc((size_t)count * (size + WIRE_HEADER_MAX)), *payload = calloc(1, size);
  *n = 0;
  for (uint32_t i = 0; i < count; i++) {
    memcpy(payload, &i, 4);
    *n += wire_frame(bytes + *n, WIRE_BINARY, payload, size);
  }
  free(payload);
  return bytes;
}

static void more_messages_than_the_ring_holds_arrive_in_order_in_batches_of_its_size(void) {
  world w;
  tally t = {.right = true};
  world_begin(&w, NULL);
  w.accepts = true;
  peer *peers[PEERS];
  for (int i = 0; i < PEERS; i++) peers[i] = wire_open(&w, NULL);
  w.react = count;
  w.user = &t;
  size_t n;
  uint8_t *bytes = numbered(EACH, 4, &n);
  for (int i = 0; i < PEERS; i++) peer_send(peers[i], bytes, n);
  free(bytes);
  CHECK_SOON(&w, t.total == PEERS * EACH);
  CHECK(t.right);
  CHECK_INT(t.most_records, LWSN_RING_RECORDS);
  CHECK(world_end(&w));
}

static void payloads_of_one_batch_are_bounded(void) {
  enum { COUNT = 600, SIZE = 60000 };
  world w;
  tally t = {.right = true};
  lwsn_server_options options = world_options();
  world_begin(&w, &options);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  w.react = count;
  w.user = &t;
  size_t n;
  uint8_t *bytes = numbered(COUNT, SIZE, &n);
  peer_send(p, bytes, n);
  free(bytes);
  CHECK_SOON(&w, t.total == COUNT);
  CHECK(t.right);
  CHECK(t.most_bytes <= 4 * 1024 * 1024 + SIZE);
  CHECK(world_end(&w));
}

static void stop_at_last(world *w, const event *e) {
  count(w, e);
  tally *t = w->user;
  if (t->total == t->stop_at && w->server) {
    for (peer *p = w->peers; p; p = p->next) peer_close(p);
    lwsn_server_release(w->server);
    w->server = NULL;
  }
}

static void stalled_input_goes_on_without_any_help_from_outside(void) {
  world w;
  tally t = {.right = true, .stop_at = EACH};
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  out_tell(&w, world_last(&w, LWSN_RECORD_OPEN)->handle, LWSN_OUT_PAUSE);
  lwsn_outbound_flush(w.context);
  w.react = stop_at_last;
  w.user = &t;
  size_t n;
  uint8_t *bytes = numbered(EACH, 4, &n);
  peer_send(p, bytes, n);
  free(bytes);
  world_run(&w, 20);
  out_tell(&w, world_last(&w, LWSN_RECORD_OPEN)->handle, LWSN_OUT_RESUME);
  /* one run until nothing is left to do: a loop that fell asleep would never come back */
  world_wait(&w);
  uv_unref((uv_handle_t *)&w.watchdog);
  while (uv_run(&w.loop, UV_RUN_DEFAULT) != 0 && !w.timed_out) continue;
  uv_ref((uv_handle_t *)&w.watchdog);
  CHECK_INT(t.total, EACH);
  CHECK(t.right);
  CHECK(world_end(&w));
}

/* Fills the ring, then closes everybody in the same turn: the records behind the ring are not lost. */
static void closes_that_find_the_ring_full_are_told_in_the_next_batch(void) {
  enum { CONNECTIONS = 300, MESSAGES = 14 };
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *peers[CONNECTIONS];
  for (int i = 0; i < CONNECTIONS; i++) peers[i] = wire_open(&w, NULL);
  size_t n;
  uint8_t *bytes = numbered(MESSAGES, 4, &n);
  for (int i = 0; i < CONNECTIONS; i++) {
    peer_send(peers[i], bytes, n);
    wire_close(peers[i], 4000 + (unsigned)i, "with a reason");
    peer_finish(peers[i]);
  }
  free(bytes);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == CONNECTIONS);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), CONNECTIONS * MESSAGES);
  for (size_t i = 0; i < w.event_count; i++) {
    const event *e = &w.events[i];
    if (e->kind == LWSN_RECORD_CLOSED) CHECK(e->extra == 1 && e->detail >= 4000 && e->size == 13);
  }
  CHECK(world_end(&w));
}

static void kill_all_at_text(world *w, const event *e) {
  if (e->kind != LWSN_RECORD_TEXT) return;
  lwsn_server_kill_all(w->server);
  lwsn_outbound_flush(w->context); /* CLOSED arises while this very batch is read */
}

static void thousands_of_closes_in_one_turn_are_all_told(void) {
  int connections = world_is_slow() ? 1000 : 6000;
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  if ((unsigned)connections * 2 + 100 > w.context->services.registry.capacity) connections = 400;
  peer *last = NULL;
  for (int i = 0; i < connections; i++) last = wire_open(&w, NULL);
  w.react = kill_all_at_text;
  wire_text(last, "all of you");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == (unsigned)connections);
  CHECK_INT(w.server->stats.transports, 0);
  CHECK(world_end(&w));
}

static void send_at_text(world *w, const event *e) {
  if (e->kind == LWSN_RECORD_TEXT) CHECK(lwsn_outbound_send(w->context, e->handle, 2, e->data, e->size) == 0);
}

static void sending_past_the_ring_is_allowed_while_a_batch_is_read(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  w.react = send_at_text;
  peer *p = wire_open(&w, NULL);
  wire_text(p, "twice");
  wire_text(p, "again");
  for (int i = 0; i < 4; i++) {
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_INT(f.first, i % 2 ? WIRE_BINARY : WIRE_TEXT);
    CHECK(f.size == 5 && memcmp(f.data, i < 2 ? "twice" : "again", 5) == 0);
  }
  CHECK(world_end(&w));
}

int main(void) {
  more_messages_than_the_ring_holds_arrive_in_order_in_batches_of_its_size();
  payloads_of_one_batch_are_bounded();
  stalled_input_goes_on_without_any_help_from_outside();
  closes_that_find_the_ring_full_are_told_in_the_next_batch();
  thousands_of_closes_in_one_turn_are_all_told();
  sending_past_the_ring_is_allowed_while_a_batch_is_read();
  return check_report();
}
