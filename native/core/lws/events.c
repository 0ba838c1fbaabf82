#include "lws/events.h"

#include <libwebsockets.h>

#include "base/list.h"

static void on_poll(uv_poll_t *poll, int status, int events) {
  lwsn_watch *watch = LWSN_CONTAINER(poll, lwsn_watch, poll);
  watch->events->on_ready(watch, status, events);
}

/* uv_poll_start costs system calls, so it is called only for a change. */
void lwsn_watch_update(lwsn_watch *watch) {
  int events = 0;
  if (watch->wants_read && !watch->held) events |= UV_READABLE;
  if (watch->held && !watch->peer_left) events |= UV_DISCONNECT;
  if (watch->wants_write) events |= UV_WRITABLE;
  if (events == watch->armed) return;
  watch->armed = events;
  if (events)
    uv_poll_start(&watch->poll, events, on_poll);
  else
    uv_poll_stop(&watch->poll);
}

void lwsn_watch_serve(lwsn_watch *watch, int events) {
  struct lws_pollfd pollfd = {
      .fd = watch->fd,
      .events = (short)((watch->wants_read ? LWS_POLLIN : 0) | (watch->wants_write ? LWS_POLLOUT : 0)),
      .revents = (short)((events & UV_READABLE ? LWS_POLLIN : 0) | (events & UV_WRITABLE ? LWS_POLLOUT : 0)),
  };
  if (pollfd.revents) lws_service_fd(watch->events->lws, &pollfd);
}

lwsn_watch *lwsn_events_watch(lwsn_events *events, int fd) {
  return fd >= 0 && (uint32_t)fd < events->by_fd_size ? events->by_fd[fd] : NULL;
}

void lwsn_watch_take(lwsn_watch *watch, void *tenant, lwsn_watch **kept) {
  watch->tenant = tenant;
  watch->kept = kept;
  *kept = watch;
}

void lwsn_watch_leave(lwsn_watch *watch) {
  watch->tenant = NULL;
  watch->kept = NULL;
}

void lwsn_watch_hold(lwsn_watch *watch, bool held) {
  if (watch->held == held) return;
  watch->held = held;
  lwsn_watch_update(watch);
}
