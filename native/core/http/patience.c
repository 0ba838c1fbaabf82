#include "http/patience.h"

#include "http/refusal.h"
#include "net/server.h"

static void run_out(lwsn_timer *timer);

static bool waits_for_peer(const lwsn_exchange *x) {
  const lwsn_transport *t = x->transport;
  return t->queue.first || (x->state == LWSN_EXCHANGE_BODY && !t->paused);
}

/* 0: the peer owes nothing. */
static uint64_t limit_of(const lwsn_exchange *x) {
  const lwsn_transport *t = x->transport;
  if (t->peer_left) return t->server->options.close_timeout;
  return waits_for_peer(x) ? t->server->options.idle_timeout : 0;
}

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* When the peer last showed that it is there. */
static uint64_t last_sign(const lwsn_exchange *x) {
  const lwsn_transport *t = x->transport;
  return later(later(t->last_input, t->last_output), later(x->written, x->left));
}

static void wait(lwsn_exchange *x, uint64_t ms) { lwsn_transport_arm(x->transport, ms, run_out); }

/* 408 where that can still be said, then the end. */
static void late(lwsn_exchange *x) {
  lwsn_exchange_tell_gone(x, LWSN_GONE_TIMEOUT);
  if (x->state == LWSN_EXCHANGE_BODY && !x->begun)
    lwsn_refuse(x, 408, "the request body did not arrive in time");
  else
    lwsn_transport_kill(x->transport);
}

static void run_out(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  lwsn_exchange *x = t->exchange;
  if (!x) return;
  uint64_t limit = limit_of(x), silence = lwsn_now(t->services) - last_sign(x);
  if (limit == 0) {
    lwsn_wsi_probe(t->wsi, t->server->options.idle_timeout);
    wait(x, t->server->options.idle_timeout);
  } else if (silence < limit) {
    wait(x, limit - silence);
  } else if (lwsn_transport_is_heard(t, run_out)) {
    return;
  } else if (t->peer_left) {
    lwsn_transport_kill(t);
  } else {
    late(x);
  }
}

void lwsn_patience_begin(lwsn_exchange *x) {
  lwsn_transport *t = x->transport;
  x->left = x->written = t->last_output = lwsn_now(t->services);
  wait(x, t->peer_left ? t->server->options.close_timeout : t->server->options.idle_timeout);
}

void lwsn_patience_peer_left(lwsn_exchange *x) {
  x->left = lwsn_now(x->transport->services);
  wait(x, x->transport->server->options.close_timeout);
}
