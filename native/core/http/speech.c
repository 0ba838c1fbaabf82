#include "http/speech.h"

#include "http/accepting.h"
#include "http/patience.h"
#include "http/reading.h"
#include "http/refusal.h"
#include "net/ending.h"
#include "net/server.h"
#include "net/tls.h"

static void input(lwsn_transport *t, const uint8_t *data, size_t size) { lwsn_reading_input(t->exchange, data, size); }

static bool wants_input(const lwsn_transport *t) { return lwsn_exchange_wants_input(t->exchange); }

static bool holds(const lwsn_transport *t) {
  const lwsn_exchange *x = t->exchange;
  bool waits = (x->state == LWSN_EXCHANGE_UPGRADE && !t->introduction) || x->state == LWSN_EXCHANGE_BUSY;
  return t->paused || waits;
}

static uint8_t *land(const lwsn_transport *t, size_t piece, size_t *room) {
  (void)t;
  (void)piece;
  (void)room;
  return NULL;
}

static void nothing(lwsn_transport *t) { (void)t; }

static void resume(lwsn_transport *t) { lwsn_accept_alone(t->exchange); }

/* It can carry bytes: over a limit it is answered 503, a client is told CONNECTED. */
static void ready(lwsn_transport *t) {
  lwsn_exchange *x = t->exchange;
  if (x->client)
    lwsn_exchange_tell(x, LWSN_RECORD_CONNECTED, 0, NULL, 0);
  else if (t->over_limit)
    lwsn_refuse(x, 503, "too many connections");
}

/* TLS where the server has it, else it is ready at once. */
static void start(lwsn_transport *t) {
  lwsn_tls_context *tls = t->adopted ? NULL : t->server->tls;
  bool client = t->exchange->client;
  if (!tls)
    ready(t);
  else if (!lwsn_tls_begin(t, tls, client, t->host))
    lwsn_transport_kill(t);
  else if (client)
    lwsn_tls_start(t);
}

static void drained(lwsn_transport *t) {
  if (t->exchange->told) lwsn_exchange_tell(t->exchange, LWSN_RECORD_FLUSHED, 0, NULL, 0);
}

static void peer_left(lwsn_transport *t) {
  lwsn_exchange *x = t->exchange;
  /* half-closing after a request is allowed, before a 101 it makes no sense */
  if (x->state == LWSN_EXCHANGE_UPGRADE || x->client)
    lwsn_transport_kill(t);
  else if (x->told)
    lwsn_patience_peer_left(x);
}

static void drop(lwsn_transport *t, const char *why) {
  (void)why;
  lwsn_transport_kill(t);
}

/* A request that is in the socket already is answered. So is the first one, while others may still come. */
static void drain(lwsn_transport *t) {
  lwsn_exchange *x = t->exchange;
  x->keep_alive = false;
  bool idle = x->state == LWSN_EXCHANGE_HEAD && x->head_size == 0 && !t->backlog;
  if (!idle || (!x->told_once && !t->server->draining)) return;
  if (lwsn_wsi_peek(t->wsi) <= 0) lwsn_transport_end(t);
}

static bool is_cut(const lwsn_transport *t) { return t->exchange->until_end && (!t->ending || t->queue.first); }

static void input_used(lwsn_transport *t) { lwsn_exchange_input_used(t->exchange); }

static const lwsn_speech speech = {
    .input = input,
    .wants_input = wants_input,
    .holds = holds,
    .land = land,
    .resume = resume,
    .begin = start,
    .secured = ready,
    .drained = drained,
    .peer_finished = nothing,
    .peer_left = peer_left,
    .lost = lwsn_transport_kill,
    .drop = drop,
    .drain = drain,
    .is_cut = is_cut,
    .input_used = input_used,
    .raw = true,
};

void lwsn_exchange_begin(lwsn_exchange *x, lwsn_transport *t) {
  x->transport = t;
  x->client = t->client;
  x->state = x->client ? LWSN_EXCHANGE_CALLING : LWSN_EXCHANGE_HEAD;
  x->told = x->client;
  x->told_once = x->client || t->adopted; /* whoever adopted it knows it */
  t->exchange = x;
  t->speech = &speech;
  lwsn_reading_await(x);
  if (!t->proxy) start(t);
}
