#include "net/input.h"

#include <stdlib.h>

#include "net/proxy.h"
#include "net/server.h"
#include "net/tls.h"

bool lwsn_transport_heard(lwsn_transport *t, size_t size) {
  lwsn_server *server = t->server;
  server->stats.bytes_received += size;
  t->last_input = lwsn_now(t->services);
  if (server->options.busy_poll > 0) lwsn_loop_busy(&t->services->loop, server->options.busy_poll);
  return !t->ending && !t->doomed;
}

void lwsn_transport_input(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (!lwsn_transport_heard(t, size)) return;
  if (t->proxy) {
    size_t used = lwsn_proxy_take(t, data, size);
    if (used == size || t->doomed || t->ending) return;
    data += used, size -= used;
  }
  if (t->tls)
    lwsn_tls_input(t, data, size);
  else
    t->speech->input(t, data, size);
}

/* Plain bytes first; what is left of them is kept again, in front of the encrypted ones. */
static void take_backlog(lwsn_transport *t) {
  uint8_t *data = t->backlog;
  uint32_t size = t->backlog_size, plain = t->backlog_plain;
  t->backlog = NULL;
  if (plain > 0) t->speech->input(t, data, plain);
  if (plain < size) lwsn_tls_input(t, data + plain, size - plain);
  free(data);
  if (t->tls) lwsn_tls_resume(t);
}

/* Whether what is in front would be taken. */
static bool takes_input(const lwsn_transport *t) { return !t->doomed && !t->ending && t->speech->wants_input(t); }

void lwsn_transport_resume(lwsn_transport *t) {
  if (t->introduction) t->speech->resume(t);
  if (!t->backlog) return;
  if (takes_input(t)) take_backlog(t);
  if (!t->backlog && t->input_ended) t->speech->input_used(t);
  lwsn_transport_update_hold(t);
}

void lwsn_transport_visit(lwsn_transport *t) {
  bool starved = t->starved;
  t->starved = false;
  lwsn_transport_resume(t);
  /* lws reads, as when the socket was announced */
  if (starved && !t->doomed) lwsn_watch_serve(t->watch, UV_READABLE);
}
