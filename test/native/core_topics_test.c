/* Topics: who is subscribed, the order of what is published and sent, full sockets, and transports that die meanwhile. */
#include <stdlib.h>

#include "base/hash.h"
#include "check.h"
#include "context/flush.h"
#include "crossing/outbound.h"
#include "net/transport.h"
#include "out.h"
#include "topics/publish.h"
#include "topics/topics.h"
#include "wire.h"

enum { PEERS = 20, LARGE = 4 * 1024 * 1024 };

static uint8_t content[LARGE];

static world w;
static peer *peers[PEERS];
static lwsn_handle handles[PEERS];

/* Of nobody: as empty as those that are not there. */
static const lwsn_topics *topics(void) {
  static const lwsn_topics none;
  return w.server->topics ? w.server->topics : &none;
}

static void begin(void) {
  world_begin(&w, NULL);
  w.accepts = true;
  for (int i = 0; i < PEERS; i++) peers[i] = wire_open(&w, &handles[i]);
}

static void end(void) { CHECK(world_end(&w)); }

static lwsn_transport *transport(int i) { return lwsn_registry_get(&w.context->services.registry, handles[i]); }

static void expect_text(int i, const char *text) {
  frame f;
  if (!CHECK_SOON(&w, wire_next(peers[i], &f))) return;
  CHECK_INT(f.first, WIRE_TEXT);
  check_that(f.size == strlen(text) && memcmp(f.data, text, f.size) == 0, __FILE__, __LINE__, "%.*s is not %s",
             (int)f.size, (const char *)f.data, text);
}

/* No topic, no subscription, no memory for them. */
static void expect_nothing_left(void) {
  CHECK_INT(topics()->count, 0);
  CHECK_INT(topics()->subscription_count, 0);
  CHECK(!w.server->topics);
}

static void a_publication_reaches_every_subscriber_but_one(void) {
  begin();
  for (int i = 0; i < PEERS; i++) CHECK(out_subscribe(&w, handles[i], "news") > 0);
  CHECK_INT(out_publish_but(&w, handles[3], "news", "hello", 5), PEERS - 1);
  CHECK_INT(out_publish(&w, "other", "nobody", 6), 0);
  CHECK_INT(out_publish(&w, "news", "end", 3), PEERS);
  for (int i = 0; i < PEERS; i++) {
    if (i != 3) expect_text(i, "hello");
    expect_text(i, "end");
  }
  CHECK_INT(w.server->stats.messages_sent, 2 * PEERS - 1);
  end();
}

static void what_is_sent_and_published_keeps_its_order(void) {
  static const size_t sizes[] = {4, 125, 126, 1020, 1024, 1025, 4096, 4097, 70000};
  enum { ROUNDS = 400 };
  begin();
  wire_fill(content, 70000);
  for (int i = 0; i < PEERS; i++) out_subscribe(&w, handles[i], "news");
  for (uint32_t round = 0; round < ROUNDS; round++) {
    memcpy(content, &round, 4);
    size_t size = sizes[round % 9];
    if (round % 3 == 0)
      for (int i = 0; i < PEERS; i++) out_message(&w, handles[i], 1, content, size);
    else
      CHECK_INT(out_publish(&w, "news", content, size), PEERS);
    if (round % 37 == 0) world_run(&w, 1);
  }
  for (int i = 0; i < PEERS; i++) {
    for (uint32_t round = 0; round < ROUNDS; round++) {
      frame f;
      memcpy(content, &round, 4);
      CHECK_SOON(&w, wire_next(peers[i], &f));
      CHECK(f.size == sizes[round % 9] && memcmp(f.data, content, f.size) == 0);
    }
  }
  end();
}

static void what_a_full_socket_left_is_kept_by_reference_and_arrives(void) {
  begin();
  wire_fill(content, LARGE);
  for (int i = 0; i < PEERS; i++) {
    out_subscribe(&w, handles[i], "news");
    peer_read(peers[i], false);
  }
  for (int round = 0; round < 4; round++) {
    out_publish(&w, "news", content, LARGE);
    out_publish(&w, "news", "between", 7);
    lwsn_outbound_flush(w.context);
  }
  for (int i = 0; i < PEERS; i++) {
    size_t shared = 0;
    for (const lwsn_chunk *c = transport(i)->queue.first; c; c = c->next) shared += c->shared != NULL;
    CHECK(shared >= 3);
  }
  for (int i = 0; i < PEERS; i += 2) peer_reset(peers[i]);
  CHECK_SOON(&w, w.server->stats.connections == PEERS / 2);
  for (int i = 1; i < PEERS; i += 2) {
    peer_read(peers[i], true);
    for (int round = 0; round < 4; round++) {
      frame f;
      if (!CHECK_SOON(&w, wire_next(peers[i], &f))) break;
      CHECK(f.size == LARGE && memcmp(f.data, content, LARGE) == 0);
      expect_text(i, "between");
    }
  }
  end();
}

static void a_transport_that_dies_before_the_flush_takes_nobody_along(void) {
  begin();
  for (int i = 0; i < PEERS; i++) out_subscribe(&w, handles[i], "news");
  CHECK_INT(out_publish(&w, "news", "first", 5), PEERS);
  for (int i = 0; i < PEERS; i += 3) lwsn_transport_kill(transport(i));
  CHECK_INT(out_publish(&w, "news", "second", 6), PEERS - 7);
  lwsn_transport_reap(&w.context->services);
  CHECK_INT(topics()->subscription_count, PEERS - 7);
  CHECK_INT(out_publish(&w, "news", "third", 5), PEERS - 7);
  for (int i = 0; i < PEERS; i++) {
    if (i % 3 == 0) continue;
    expect_text(i, "first");
    expect_text(i, "second");
    expect_text(i, "third");
  }
  end();
}

static void a_slot_with_a_new_tenant_gets_nothing_that_was_meant_for_the_old(void) {
  begin();
  out_subscribe(&w, handles[0], "news");
  CHECK_INT(out_publish(&w, "news", "for the dead", 12), 1);
  lwsn_transport_kill(transport(0));
  lwsn_transport_reap(&w.context->services);
  lwsn_handle next;
  peer *p = NULL;
  do p = wire_open(&w, &next);
  while (next.slot != handles[0].slot);
  out_message(&w, next, 1, "end", 3);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "end");
  end();
}

static void a_close_in_the_ring_ends_subscriptions_before_it_is_applied(void) {
  begin();
  for (int i = 0; i < PEERS; i++) out_subscribe(&w, handles[i], "news");
  out_message(&w, handles[0], 1, "sent", 4);
  out_close(&w, handles[0], 4000, NULL);
  out_tell(&w, handles[1], LWSN_OUT_TERMINATE);
  CHECK_INT(lwsn_subscribers(w.server, (const uint8_t *)"news", 4), PEERS - 2);
  CHECK_INT(out_publish(&w, "news", "others", 6), PEERS - 2);
  expect_text(0, "sent");
  frame f;
  CHECK_SOON(&w, wire_next(peers[0], &f));
  CHECK_INT(wire_code(&f), 4000);
  for (int i = 2; i < PEERS; i++) expect_text(i, "others");
  end();
}

static void over_max_backpressure(bool drops) {
  lwsn_server_options options = world_options();
  options.max_backpressure = LARGE;
  options.drops_overflow = drops;
  world_begin(&w, &options);
  w.accepts = true;
  for (int i = 0; i < PEERS; i++) {
    peers[i] = wire_open(&w, &handles[i]);
    out_subscribe(&w, handles[i], "news");
    if (i % 2 == 0) continue;
    peer_read(peers[i], false);
    out_message(&w, handles[i], 1, content, LARGE);
    CHECK(out_queued(&w, handles[i]) > 0);
  }
  CHECK_INT(out_publish(&w, "news", content, LARGE), PEERS / 2);
  CHECK_INT(topics()->subscription_count, drops ? PEERS : PEERS / 2);
  for (int i = 0; i < PEERS; i++) {
    frame f;
    peer_read(peers[i], true);
    CHECK_SOON(&w, wire_next(peers[i], &f));
    CHECK_INT(f.size, LARGE);
    if (drops || i % 2 == 0) continue;
    CHECK_SOON(&w, wire_next(peers[i], &f));
    CHECK_INT(wire_code(&f), 1013);
  }
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSING), drops ? 0 : PEERS / 2);
  end();
}

static void who_would_pass_max_backpressure_is_closed_or_skipped_alone(void) {
  over_max_backpressure(false);
  over_max_backpressure(true);
}

static void a_hundred_thousand_subscriptions_leave_nothing(void) {
  int count = world_is_slow() ? 10000 : 100000;
  char name[32];
  begin();
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "topic %d", i / 3);
    CHECK(out_subscribe(&w, handles[i % PEERS], name) > 0);
  }
  CHECK_INT(topics()->subscription_count, count);
  CHECK_INT(topics()->count, (count + 2) / 3);
  for (int i = 0; i < PEERS; i += 2)
    while (transport(i)->subscriptions) CHECK(lwsn_topics_leave(transport(i), transport(i)->subscriptions));
  for (int i = 1; i < PEERS; i += 2) peer_reset(peers[i]);
  CHECK_SOON(&w, w.server->stats.connections == PEERS / 2);
  expect_nothing_left();
  for (int i = 0; i < count; i++) {
    uint32_t subscription = out_subscribe(&w, handles[0], "again");
    CHECK(!lwsn_topics_leave(transport(2), subscription));
    CHECK(lwsn_topics_leave(transport(0), subscription));
    CHECK(!lwsn_topics_leave(transport(0), subscription));
  }
  expect_nothing_left();
  end();
}

static void destroying_the_context_with_publications_on_their_way_is_clean(void) {
  begin();
  for (int i = 0; i < PEERS; i++) {
    out_subscribe(&w, handles[i], "news");
    if (i % 2) peer_read(peers[i], false);
  }
  for (int i = 0; i < 3; i++) out_publish(&w, "news", content, LARGE);
  lwsn_outbound_flush(w.context);
  out_publish(&w, "news", content, LARGE);
  out_publish(&w, "news", "flushed by the end", 18);
  world_destroy(&w);
  end();
}

static void the_hash_depends_on_every_byte_and_on_the_key(void) {
  const uint64_t key[2] = {1, 2}, other[2] = {1, 3};
  uint8_t data[40] = {0};
  for (size_t size = 0; size <= sizeof data; size++) {
    uint64_t hash = lwsn_hash(key, data, size);
    CHECK(hash == lwsn_hash(key, data, size));
    CHECK(hash != lwsn_hash(other, data, size));
    if (size > 0) CHECK(hash != lwsn_hash(key, data, size - 1));
    for (size_t i = 0; i < size; i++) {
      data[i] ^= 0x80;
      CHECK(hash != lwsn_hash(key, data, size));
      data[i] ^= 0x80;
    }
  }
}

int main(void) {
  a_publication_reaches_every_subscriber_but_one();
  what_is_sent_and_published_keeps_its_order();
  what_a_full_socket_left_is_kept_by_reference_and_arrives();
  a_transport_that_dies_before_the_flush_takes_nobody_along();
  a_slot_with_a_new_tenant_gets_nothing_that_was_meant_for_the_old();
  a_close_in_the_ring_ends_subscriptions_before_it_is_applied();
  who_would_pass_max_backpressure_is_closed_or_skipped_alone();
  a_hundred_thousand_subscriptions_leave_nothing();
  destroying_the_context_with_publications_on_their_way_is_clean();
  the_hash_depends_on_every_byte_and_on_the_key();
  return check_report();
}
