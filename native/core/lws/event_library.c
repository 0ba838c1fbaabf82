#include "lws/event_library.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "private-lib-core.h"

/* Kept in lws's memory for event libraries: the event descriptor comes before lws knows its user pointer. */
static lwsn_events *events_of(struct lws *wsi) { return *(lwsn_events **)lws_evlib_wsi_to_evlib_pt(wsi); }

static void watch_closed(uv_handle_t *handle) {
  lwsn_watch *watch = LWSN_CONTAINER(handle, lwsn_watch, poll);
  lwsn_loop *loop = watch->events->loop;
  free(watch);
  lwsn_loop_released(loop);
}

static bool remember(lwsn_events *events, lwsn_watch *watch) {
  uint32_t fd = (uint32_t)watch->fd;
  if (fd >= events->by_fd_size) {
    uint32_t size = events->by_fd_size ? events->by_fd_size : 256;
    while (size <= fd) size *= 2;
    lwsn_watch **grown = realloc(events->by_fd, size * sizeof *grown);
    if (!grown) return false;
    memset(grown + events->by_fd_size, 0, (size - events->by_fd_size) * sizeof *grown);
    events->by_fd = grown;
    events->by_fd_size = size;
  }
  events->by_fd[fd] = watch;
  return true;
}

/* sock_accept: lws takes a descriptor in. */
static int evlib_accept(struct lws *wsi) {
  lwsn_events *events = events_of(wsi);
  int fd = lws_get_socket_fd(wsi);
  if (lwsn_events_watch(events, fd)) return 0;
  lwsn_watch *watch = calloc(1, sizeof *watch);
  if (!watch) return 1;
  watch->events = events;
  watch->wsi = wsi;
  watch->fd = fd;
  if (!remember(events, watch)) {
    free(watch);
    return 1;
  }
  if (uv_poll_init(events->loop->uv, &watch->poll, fd) != 0) {
    events->by_fd[fd] = NULL;
    free(watch);
    return 1;
  }
  events->loop->open_handles++;
  watch->wants_read = true; /* lws expects input to be watched from here on (facts 9.2) */
  /* lws's own event descriptor has no vhost and must not keep the process alive */
  if (!lws_get_vhost(wsi)) {
    events->own = watch;
    uv_unref((uv_handle_t *)&watch->poll);
  }
  lwsn_watch_update(watch);
  return 0;
}

static void evlib_io(struct lws *wsi, unsigned int flags) {
  lwsn_watch *watch = lwsn_events_watch(events_of(wsi), lws_get_socket_fd(wsi));
  if (!watch || watch->wsi != wsi) return; /* STOP comes twice, and for what we let go (facts 9.2) */
  bool start = (flags & LWS_EV_START) != 0;
  if (flags & LWS_EV_READ) watch->wants_read = start;
  if (flags & LWS_EV_WRITE) watch->wants_write = start;
  lwsn_watch_update(watch);
}

/*
 * Who closes lws's own event descriptor differs between its versions (patches/README.md). Where it is there still, lws leaks
 * it (performance 4). Where it is closed by now, some would close the number again, which may be another thread's.
 */
static void close_own(struct lws *wsi, int fd) {
  if (wsi->a.context->pt[(int)wsi->tsi].dummy_pipe_fds[0] == fd)
    close(fd);
  else
    wsi->desc.sockfd = LWS_SOCK_INVALID;
}

/*
 * uv must let go of the descriptor before lws closes it. With its own event descriptor lws may have done so by now, and may
 * have forgotten it: that watch is not found by the descriptor.
 */
static int evlib_close(struct lws *wsi) {
  lwsn_events *events = events_of(wsi);
  bool own = events->own && events->own->wsi == wsi;
  lwsn_watch *watch = own ? events->own : lwsn_events_watch(events, lws_get_socket_fd(wsi));
  if (!watch || watch->wsi != wsi) return 0;
  if (events->by_fd[watch->fd] == watch) events->by_fd[watch->fd] = NULL;
  if (watch->kept) *watch->kept = NULL;
  lwsn_watch_leave(watch);
  watch->wsi = NULL;
  uv_close((uv_handle_t *)&watch->poll, watch_closed);
  if (!own) return 0;
  events->own = NULL;
  close_own(wsi, watch->fd);
  return 0;
}

static int evlib_init(struct lws_context *lws, void *loop, int tsi) {
  lwsn_events *events = loop;
  events->lws = lws;
  *(void **)lws_evlib_tsi_to_evlib_pt(lws, tsi) = events;
  return 0;
}

static const struct lws_event_loop_ops operations = {
    .name = "lwsn",
    .init_pt = evlib_init,
    .init_vhost_listen_wsi = evlib_accept,
    .sock_accept = evlib_accept,
    .io = evlib_io,
    .wsi_logical_close = evlib_close,
    .evlib_size_pt = sizeof(lwsn_events *), /* 0 would keep lws's timers from running (performance 4) */
};

const lws_plugin_evlib_t lwsn_event_library = {
    .hdr = {"lwsn event library", "lws_evlib_plugin", LWS_BUILD_HASH, LWS_PLUGIN_API_MAGIC},
    .ops = &operations,
};
