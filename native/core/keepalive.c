#include "keepalive.h"

#include "connection.h"
#include "context.h"
#include "server.h"

static uint64_t rest(uint64_t silence, uint32_t limit) { return limit > silence ? limit - silence : 0; }

static void schedule(lwsn_connection *c, uint64_t silence);

static void fire(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  lwsn_connection *c = t->connection;
  if (!c || c->state != LWSN_CONNECTION_OPEN || lwsn_connection_is_deaf(c)) return;
  const lwsn_server_options *o = &t->server->options;
  uint64_t silence = lwsn_loop_now(t->context) - t->last_input;
  /* input we hold ourselves is not the peer's silence */
  if (t->paused && !t->peer_left) silence = 0;
  if (o->idle_timeout > 0 && silence >= o->idle_timeout) {
    lwsn_connection_drop(c, "nothing came from the peer for idleTimeout");
    return;
  }
  bool pinged = c->pinged_since == t->last_input;
  if (o->ping_interval > 0 && silence >= o->ping_interval && !pinged && !t->queue.first) {
    c->pinged_since = t->last_input;
    lwsn_connection_ping(c);
    if (t->doomed) return;
  }
  schedule(c, silence);
}

static void schedule(lwsn_connection *c, uint64_t silence) {
  lwsn_transport *t = c->transport;
  const lwsn_server_options *o = &t->server->options;
  uint64_t idle = o->idle_timeout > 0 ? rest(silence, o->idle_timeout) : 0;
  uint64_t ping = o->ping_interval > 0 ? rest(silence, o->ping_interval) : 0;
  /* pinged already: the next ping is due an interval after this one, whatever came */
  if (o->ping_interval > 0 && ping == 0) ping = o->ping_interval;
  uint64_t next = idle == 0 ? ping : ping == 0 ? idle : idle < ping ? idle : ping;
  if (next > 0) lwsn_transport_arm(t, next, fire);
}

void lwsn_keepalive_start(lwsn_connection *c) {
  c->transport->last_input = lwsn_loop_now(c->transport->context);
  schedule(c, 0);
}
