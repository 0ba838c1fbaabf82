#include "websocket/speech.h"

#include "websocket/keepalive.h"
#include "websocket/receive.h"

static void input(lwsn_transport *t, const uint8_t *data, size_t size) {
  lwsn_receive_input(t->connection, data, size);
}

static bool wants_input(const lwsn_transport *t) { return lwsn_receive_may_go_on(t->connection); }

static bool holds(const lwsn_transport *t) {
  const lwsn_connection *c = t->connection;
  return lwsn_connection_may_send(c) && (t->paused || lwsn_connection_is_deaf(c));
}

static uint8_t *land(const lwsn_transport *t, size_t piece, size_t *room) {
  return lwsn_receive_land(t->connection, piece, room);
}

static void nothing(lwsn_transport *t) { (void)t; }

static void drained(lwsn_transport *t) { lwsn_connection_drained(t->connection); }

static void peer_finished(lwsn_transport *t) { lwsn_connection_peer_finished(t->connection); }

static void peer_left(lwsn_transport *t) {
  t->last_input = lwsn_now(t->services); /* its silence begins here */
  lwsn_receive_peer_left(t->connection);
}

static void lost(lwsn_transport *t) { lwsn_connection_input_ended(t->connection, true); }

static void drop(lwsn_transport *t, const char *why) { lwsn_connection_drop(t->connection, why); }

static bool never(const lwsn_transport *t) {
  (void)t;
  return false;
}

static const lwsn_speech speech = {
    .input = input,
    .wants_input = wants_input,
    .holds = holds,
    .land = land,
    .resume = nothing,
    .begin = nothing,
    .secured = nothing,
    .drained = drained,
    .peer_finished = peer_finished,
    .peer_left = peer_left,
    .lost = lost,
    .drop = drop,
    .drain = nothing,
    .is_cut = never,
    .input_used = nothing,
};

bool lwsn_connection_begin(lwsn_connection *c, lwsn_transport *t) {
  if (t->doomed) return false;
  t->speech = &speech;
  if (!lwsn_connection_established(c, t, t->accept_flags)) return false;
  lwsn_keepalive_start(c);
  return true;
}

void lwsn_introduce_all(lwsn_server *server, lwsn_introduced_fn told, void *data) {
  for (lwsn_node *node = server->transports.next; node != &server->transports && server->unknown > 0;
       node = node->next) {
    lwsn_transport *t = LWSN_CONTAINER(node, lwsn_transport, in_server);
    if (!t->introduction || !t->connection) continue;
    told(t->handle, t->doomed || t->connection->state != LWSN_CONNECTION_OPEN, &t->peer, t->introduction, data);
    lwsn_introduction_drop(t);
  }
}
