#include "net/ending.h"

#include <stdlib.h>

#include "net/server.h"
#include "net/tls.h"

static void end_timed_out(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  if (lwsn_transport_is_taking(t, end_timed_out) || lwsn_transport_is_heard(t, end_timed_out)) return;
  t->speech->drop(t, "the peer did not end the network connection in time");
}

/* Behind the queue; nothing of it may wait. */
static void send_fin(lwsn_transport *t) {
  if (t->fin_sent || (t->peer_first && !t->input_ended)) return;
  if (t->peer_first && t->tls) lwsn_tls_end(t);
  if (t->doomed || t->queue.first) return;
  t->fin_sent = true;
  lwsn_wsi_shutdown(t->wsi);
  if (t->input_ended) lwsn_transport_kill(t);
}

void lwsn_transport_await_end(lwsn_transport *t) {
  t->peer_first = !t->ending;
  lwsn_transport_end(t);
}

void lwsn_transport_input_ended(lwsn_transport *t) {
  t->input_ended = true;
  if (t->fin_sent)
    lwsn_transport_kill(t);
  else if (t->ending && !t->queue.first)
    send_fin(t);
  lwsn_transport_update_hold(t); /* or the same end would be announced again and again */
}

void lwsn_transport_end(lwsn_transport *t) {
  if (t->doomed) return;
  if (!t->ending) {
    lwsn_transport_arm(t, t->server->options.close_timeout, end_timed_out);
    if (t->tls && !t->peer_first) lwsn_tls_end(t);
  }
  if (t->doomed) return;
  t->ending = true;
  free(t->backlog);
  t->backlog = NULL;
  if (!t->queue.first) send_fin(t);
  lwsn_transport_update_hold(t);
}

void lwsn_transport_drained(lwsn_transport *t) {
  if (t->ending) {
    lwsn_transport_arm(t, t->server->options.close_timeout, end_timed_out);
    send_fin(t);
    return;
  }
  t->wants_writable = false;
  t->speech->drained(t);
}

bool lwsn_transport_takes_end(lwsn_transport *t) {
  if (!t->speech->raw || t->doomed || (!t->queue.first && !t->backlog)) return false;
  if (lwsn_wsi_peek(t->wsi) != -1) return false;
  lwsn_transport_input_ended(t);
  if (!t->backlog) t->speech->input_used(t);
  return true;
}
