#include "net/ready.h"

#include <sys/socket.h>

#include "net/ending.h"

/* The system reports an error of the socket: a client that shakes hands keeps it for its last record. */
static void take_error(lwsn_transport *t, int fd) {
  socklen_t size = sizeof t->error;
  /* asking clears it: a connection learns it from its read */
  if (t->client && t->speech->raw && t->error == 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &t->error, &size);
}

static void react(lwsn_services *services, lwsn_watch *watch, int status, int events) {
  lwsn_transport *t = watch->tenant;
  if (status < 0) {
    /* EPOLLERR: uv has stopped the handle. Reading tells the error; held input is lost with the socket */
    watch->armed = 0;
    if (t) take_error(t, watch->fd);
    if (watch->held && t) {
      t->speech->lost(t);
      lwsn_transport_reap(services);
      return;
    }
    events = UV_READABLE;
  }
  if (events & UV_DISCONNECT && watch->held && t) {
    watch->peer_left = true;
    lwsn_watch_update(watch);
    t->peer_left = true;
    t->speech->peer_left(t);
  }
  /* in its raw role lws closes where input ends, whatever waits to be written or parsed */
  if (events & UV_READABLE && t && lwsn_transport_takes_end(t)) events &= ~UV_READABLE;
  lwsn_watch_serve(watch, events);
  lwsn_transport_reap(services);
  /* the first read after a reset may still find data; the error comes with the next */
  if (status < 0 && watch->wsi) lwsn_watch_update(watch);
}

void lwsn_ready(lwsn_watch *watch, int status, int events) {
  lwsn_services *services = lwsn_watch_owner(watch);
  lwsn_inbound_quiet(&services->inbound);
  react(services, watch, status, events);
  lwsn_inbound_stir(&services->inbound);
}
