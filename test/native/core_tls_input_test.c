/* Input under TLS that nobody can take at once: a full ring, a used budget, pauses; all of it arrives, in order. */
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "net/transport.h"
#include "out.h"
#include "tls_peer.h"
#include "websocket/connection.h"
#include "wire.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Numbers, each a message in a record of its own. A server's frames are not masked. */
static void send_numbers(tls_peer *p, bool masked, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint16_t number = (uint16_t)i;
    if (masked)
      tls_peer_frame(p, WIRE_BINARY, &number, sizeof number);
    else
      tls_peer_send(p, (uint8_t[4]){WIRE_BINARY, 2, (uint8_t)i, (uint8_t)(i >> 8)}, 4);
  }
}

static bool are_numbers(const world *w, uint32_t count) {
  uint16_t next = 0;
  for (size_t i = 0; i < w->event_count; i++) {
    const event *e = &w->events[i];
    if (e->kind != LWSN_RECORD_BINARY) continue;
    if (e->size != sizeof next || memcmp(e->data, &next, sizeof next) != 0) return false;
    next++;
  }
  return next == count;
}

static void more_records_than_a_batch_takes_arrive_without_another_byte(void) {
  enum { COUNT = LWSN_RING_RECORDS + 100 }; /* in one read of the socket, under TLS 1.3 */
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    tls_world_begin(&w);
    w.echoes = false;
    tls_peer_open(&w, &p, versions[v], 0);
    send_numbers(&p, true, COUNT);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == COUNT);
    CHECK(are_numbers(&w, COUNT));
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

static void a_client_gets_them_too(void) {
  enum { COUNT = LWSN_RING_RECORDS + 1000 };
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    lwsn_handle handle;
    world_begin(&w, NULL);
    tls_peer_serve(&w, &p, versions[v], SOCK_STREAM, &handle);
    send_numbers(&p, false, COUNT);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == COUNT);
    CHECK(are_numbers(&w, COUNT));
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

static void many_that_fill_the_ring_together_all_have_their_turn(void) {
  enum { PEERS = 40, EACH = 200 };
  world w;
  static tls_peer peers[PEERS];
  tls_world_begin(&w);
  w.echoes = false;
  for (int i = 0; i < PEERS; i++) tls_peer_open(&w, &peers[i], versions[i % 2], 0);
  for (int i = 0; i < PEERS; i++) send_numbers(&peers[i], true, EACH);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == PEERS * EACH);
  for (int i = 0; i < PEERS; i++) tls_peer_free(&peers[i]);
  CHECK(world_end(&w));
}

static void payloads_beyond_the_budget_of_a_batch_arrive(void) {
  enum { COUNT = 12, SIZE = 1000 * 1000 };
  world w;
  tls_peer p;
  tls_world_begin(&w);
  w.echoes = false;
  tls_peer_open(&w, &p, TLS1_3_VERSION, 0);
  uint8_t *content = malloc(SIZE);
  wire_fill(content, SIZE);
  for (int i = 0; i < COUNT; i++) tls_peer_frame(&p, WIRE_BINARY, content, SIZE);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == COUNT);
  const event *e = world_last(&w, LWSN_RECORD_BINARY);
  CHECK(e->size == SIZE && memcmp(e->data, content, SIZE) == 0);
  free(content);
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

/* From the second one on they are decrypted to where they are shown. */
static void large_messages_in_a_row_come_as_they_went(void) {
  static const size_t sizes[] = {4097, 5000, 16376, 16384, 20000, 32768, 65536, 100000, 131072, 131073, 400000};
  static uint8_t content[400000];
  wire_fill(content, sizeof content);
  for (int transient = 0; transient < 2; transient++) {
    for (int v = 0; v < 2; v++) {
      world w;
      tls_peer p;
      tls_world_begin(&w);
      w.echoes = false;
      if (transient) w.accept_flags |= LWSN_CONNECTION_TRANSIENT;
      tls_peer_open(&w, &p, versions[v], 0);
      unsigned long sent = 0;
      for (size_t i = 0; i < 5 * sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i / 5];
        content[0] = (uint8_t)i;
        tls_peer_frame(&p, WIRE_BINARY, content, size);
        if (i % 5 == 3) tls_peer_frame(&p, WIRE_BINARY, "small", 5); /* behind it, in what was read with it */
        sent += 1 + (i % 5 == 3);
        CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == sent);
        const event *e = world_nth(&w, LWSN_RECORD_BINARY, sent - 1 - (i % 5 == 3));
        CHECK_MSG(e->size == size && memcmp(e->data, content, size) == 0, "size %zu", size);
      }
      tls_peer_free(&p);
      CHECK(world_end(&w));
    }
  }
}

static void tell_now(world *w, lwsn_out_kind kind) {
  out_tell(w, world_last(w, LWSN_RECORD_OPEN)->handle, kind);
  lwsn_outbound_flush(w->context);
}

/* Pauses at the first message of each batch. */
static void pause_each(world *w, const event *e) {
  if (e->kind == LWSN_RECORD_BINARY) out_tell(w, e->handle, LWSN_OUT_PAUSE);
}

static void pausing_in_a_handler_keeps_what_was_read_already(void) {
  enum { COUNT = 3 * LWSN_RING_RECORDS };
  world w;
  tls_peer p;
  tls_world_begin(&w);
  w.echoes = false;
  tls_peer_open(&w, &p, TLS1_3_VERSION, 0);
  w.react = pause_each;
  send_numbers(&p, true, COUNT);
  unsigned long told = 0;
  while (told < COUNT) {
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) > told);
    if (world_told(&w, LWSN_RECORD_BINARY) == told) break;
    told = world_told(&w, LWSN_RECORD_BINARY);
    world_run(&w, 2);
    CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), told);
    tell_now(&w, LWSN_OUT_RESUME);
  }
  CHECK(are_numbers(&w, COUNT));
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

static void what_waits_behind_a_pause_is_bounded_and_freed_when_it_was_taken(void) {
  enum { COUNT = 40, SIZE = 100 * 1000 };
  static uint8_t content[SIZE];
  world w;
  tls_peer p;
  tls_world_begin(&w);
  w.echoes = false;
  tls_peer_open(&w, &p, TLS1_3_VERSION, 0);
  lwsn_handle handle = world_last(&w, LWSN_RECORD_OPEN)->handle;
  const lwsn_transport *t = lwsn_registry_get(&w.context->services.registry, handle);
  /* the pause comes with the batch that its first message is in: more was read by then */
  w.react = pause_each;
  tls_peer_frame(&p, WIRE_BINARY, "now", 3);
  for (int i = 0; i < COUNT; i++) tls_peer_frame(&p, WIRE_BINARY, content, SIZE);
  CHECK_SOON(&w, t->paused);
  world_run(&w, 20);
  CHECK(!t->backlog || t->backlog_size <= LWSN_SCRATCH_SIZE);
  w.react = NULL;
  tell_now(&w, LWSN_OUT_RESUME);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == 1 + COUNT);
  CHECK(!t->backlog);
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

static void frames_that_come_with_the_request_wait_for_its_acceptance(void) {
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    tls_world_begin(&w);
    w.accepts = w.echoes = false;
    tls_peer_begin(&p, peer_open(&w), false, versions[v]);
    CHECK_SOON(&w, tls_peer_pump(&p));
    tls_peer_say(&p, WIRE_UPGRADE);
    send_numbers(&p, true, 50);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
    world_run(&w, 5);
    out_accept(&w, world_last(&w, LWSN_RECORD_REQUEST)->handle, NULL, 0);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_BINARY) == 50);
    CHECK(are_numbers(&w, 50));
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

static void a_request_behind_another_in_one_record_is_answered(void) {
  world w;
  tls_peer p;
  response r;
  tls_world_begin(&w);
  tls_peer_begin(&p, peer_open(&w), false, TLS1_3_VERSION);
  CHECK_SOON(&w, tls_peer_pump(&p));
  tls_peer_say(&p, WIRE_GET WIRE_GET);
  tls_peer_say(&p, WIRE_GET);
  for (int i = 0; i < 3; i++) {
    CHECK_SOON(&w, (tls_peer_pump(&p), wire_response(&p.plain, &r)));
    CHECK_INT(r.status, 200);
  }
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

/* Records that are whole, then one that is not one. */
static void messages_before_a_broken_record_are_delivered_before_the_end(void) {
  enum { COUNT = LWSN_RING_RECORDS + 500 };
  world w;
  tls_peer p;
  tls_world_begin(&w);
  w.echoes = false;
  tls_peer_open(&w, &p, TLS1_3_VERSION, 0);
  send_numbers(&p, true, COUNT);
  peer_send(p.raw,
            "\x17\x03\x03\x00\x20"
            "0123456789abcdef0123456789abcdef",
            37);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_BINARY), COUNT);
  CHECK_INT(world_last(&w, LWSN_RECORD_CLOSED)->detail, 1006);
  tls_peer_free(&p);
  CHECK(world_end(&w));
}

int main(void) {
  more_records_than_a_batch_takes_arrive_without_another_byte();
  a_client_gets_them_too();
  many_that_fill_the_ring_together_all_have_their_turn();
  payloads_beyond_the_budget_of_a_batch_arrive();
  large_messages_in_a_row_come_as_they_went();
  pausing_in_a_handler_keeps_what_was_read_already();
  what_waits_behind_a_pause_is_bounded_and_freed_when_it_was_taken();
  frames_that_come_with_the_request_wait_for_its_acceptance();
  a_request_behind_another_in_one_record_is_answered();
  messages_before_a_broken_record_are_delivered_before_the_end();
  tls_peer_forget();
  return check_report();
}
