#include "net/limits.h"

#include "net/server.h"

bool lwsn_limits_count(lwsn_transport *t) {
  lwsn_server *server = t->server;
  if (server->options.max_connections_per_address == 0 || t->peer.family == 0) return true;
  t->counted = lwsn_peers_add(&server->peers, t->peer.address);
  return t->counted;
}

void lwsn_limits_uncount(lwsn_transport *t) {
  if (t->counted) lwsn_peers_remove(&t->server->peers, t->peer.address);
  t->counted = false;
}

static bool is_within(const lwsn_server *server, const lwsn_transport *t) {
  const lwsn_server_options *o = &server->options;
  if (o->max_connections > 0 && server->stats.transports - server->over_limit > o->max_connections) return false;
  return !t->counted || lwsn_peers_count(&server->peers, t->peer.address) <= o->max_connections_per_address;
}

void lwsn_limits_apply(lwsn_transport *t) {
  lwsn_server *server = t->server;
  if (!t->over_limit && is_within(server, t)) return;
  if (!t->over_limit) server->over_limit++;
  t->over_limit = true;
  lwsn_limits_uncount(t);
}
