#include "net/output.h"

#include <errno.h>

#include "net/server.h"

static void show_queue(lwsn_transport *t) {
  lwsn_registry_set_queued(&t->services->registry, t->handle.slot, (double)t->queue.bytes);
}

static bool keep(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count,
                 size_t sent) {
  if (!lwsn_queue_keep(&t->queue, parts, owners, count, sent)) return false;
  if (t->queue.first) show_queue(t);
  return true;
}

/* What a server said before it left may still be there to be read: the end is told by a client's reading. */
static bool write_failed(lwsn_transport *t) {
  if (t->error == 0) t->error = errno;
  if (t->client && t->speech->raw)
    lwsn_queue_clear(&t->queue);
  else
    lwsn_transport_kill(t);
  return false;
}

bool lwsn_output_send(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count) {
  if (t->doomed) return false;
  size_t sent = 0;
  bool was_empty = t->queue.first == NULL;
  if (was_empty) {
    ssize_t n = lwsn_wsi_write(t->wsi, parts, count);
    if (n < 0) return write_failed(t);
    sent = (size_t)n;
    t->server->stats.bytes_sent += sent;
  }
  if (!keep(t, parts, owners, count, sent)) {
    lwsn_transport_kill(t);
    return false;
  }
  /* armed only now: on the hot path the socket takes everything (facts 4, four epoll_ctl less) */
  if (was_empty && t->queue.first) {
    t->last_output = lwsn_now(t->services); /* from here on it is the peer who is waited for */
    lwsn_wsi_await_writable(t->wsi);
  }
  return true;
}

bool lwsn_output_pending(lwsn_transport *t) {
  while (t->queue.first && !t->doomed) {
    struct iovec parts[LWSN_PARTS_MAX];
    int count = lwsn_queue_parts(&t->queue, parts, LWSN_PARTS_MAX);
    ssize_t n = lwsn_wsi_write(t->wsi, parts, count);
    if (n < 0) return write_failed(t);
    if (n == 0) {
      lwsn_wsi_await_writable(t->wsi);
      return true;
    }
    t->last_output = lwsn_now(t->services);
    t->server->stats.bytes_sent += (size_t)n;
    lwsn_queue_consume(&t->queue, (size_t)n);
    show_queue(t);
  }
  return !t->doomed;
}
