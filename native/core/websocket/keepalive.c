#include "websocket/keepalive.h"

#include "net/send.h"
#include "net/server.h"

static void schedule(lwsn_connection *c);

/* A ping is due before a peer can be called silent: then it is what the peer has to answer. */
static bool asks_first(const lwsn_server_options *o) {
  return o->ping_interval > 0 && o->ping_interval < o->idle_timeout;
}

/* Input we hold ourselves is not the peer's silence, but for one that left behind it. */
static uint64_t silence_of(const lwsn_connection *c) {
  const lwsn_transport *t = c->transport;
  return t->paused && !t->peer_left ? 0 : lwsn_now(t->services) - t->last_input;
}

static bool is_asked(const lwsn_connection *c) { return c->pinged_at > c->transport->last_input; }

static uint64_t rest(uint64_t passed, uint64_t limit) { return limit > passed ? limit - passed : 0; }

/* Until it would be called silent. */
static uint64_t patience(const lwsn_connection *c) {
  const lwsn_transport *t = c->transport;
  const lwsn_server_options *o = &t->server->options;
  uint64_t now = lwsn_now(t->services);
  if (t->queue.first) return rest(now - t->last_output, o->idle_timeout);
  if (!asks_first(o)) return rest(silence_of(c), o->idle_timeout);
  if (!is_asked(c)) return o->idle_timeout; /* there was no ping yet */
  return rest(now - c->pinged_at, o->idle_timeout - o->ping_interval);
}

/* What we did not look at yet is no silence. */
static bool shows_life(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  if (t->queue.first || (t->paused && t->peer_left) || lwsn_wsi_peek(t->wsi) <= 0) return false;
  t->last_input = lwsn_now(t->services);
  return true;
}

static void ask(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  uint32_t interval = t->server->options.ping_interval;
  if (interval == 0 || silence_of(c) < interval || is_asked(c) || t->queue.first) return;
  c->pinged_at = lwsn_now(t->services);
  lwsn_connection_ping(c);
}

static void fire(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  lwsn_connection *c = t->connection;
  if (!c || c->state != LWSN_CONNECTION_OPEN || lwsn_connection_is_deaf(c)) return;
  /* a socket tells of room when a third is free (tcp(7)): one that takes less is slow, and not silent */
  if (t->queue.first && !lwsn_send_pending(t)) return;
  if (t->server->options.idle_timeout > 0 && patience(c) == 0 && !shows_life(c)) {
    lwsn_connection_drop(c, t->queue.first ? "the peer took nothing of what waits for it for idleTimeout"
                                           : "nothing came from the peer for idleTimeout");
    return;
  }
  ask(c);
  if (!t->doomed) schedule(c);
}

static void schedule(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  const lwsn_server_options *o = &t->server->options;
  uint64_t idle = o->idle_timeout > 0 ? patience(c) : 0;
  uint64_t ping = o->ping_interval > 0 ? rest(silence_of(c), o->ping_interval) : 0;
  /* pinged already: the next ping is due an interval after this one, whatever came */
  if (o->ping_interval > 0 && ping == 0) ping = o->ping_interval;
  uint64_t next = idle == 0 ? ping : ping == 0 ? idle : idle < ping ? idle : ping;
  if (next > 0) lwsn_transport_arm(t, next, fire);
}

void lwsn_keepalive_start(lwsn_connection *c) {
  c->transport->last_input = lwsn_now(c->transport->services);
  schedule(c);
}
