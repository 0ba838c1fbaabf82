#include "lws/loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "context/context.h"
#include "net/transport.h"

static const int LONG_WAIT_MS = 60 * 1000;
/* Between two polls, and on top of a sleep: what is beyond it was absence. */
static const uint64_t WORK_MAX_MS = 20;

/* Kept in lws's memory for event libraries: the event descriptor comes before lws knows its user pointer. */
static lwsn_context *context_of(struct lws *wsi) { return *(lwsn_context **)lws_evlib_wsi_to_evlib_pt(wsi); }

void lwsn_loop_released(lwsn_context *context) {
  lwsn_loop *loop = &context->loop;
  if (--loop->open_handles > 0 || !loop->on_closed) return;
  free(loop->by_fd);
  loop->by_fd = NULL;
  loop->on_closed(loop->on_closed_data);
}

static void handle_closed(uv_handle_t *handle) { lwsn_loop_released(handle->data); }

static void watch_closed(uv_handle_t *handle) {
  lwsn_watch *watch = LWSN_CONTAINER(handle, lwsn_watch, poll);
  lwsn_context *context = watch->context;
  free(watch);
  lwsn_loop_released(context);
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* uv_poll_start costs system calls, so it is called only for a change. */
static void update(lwsn_watch *watch) {
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

static void service(lwsn_watch *watch, short events) {
  struct lws_pollfd pollfd = {
      .fd = watch->fd,
      .events = (short)((watch->wants_read ? LWS_POLLIN : 0) | (watch->wants_write ? LWS_POLLOUT : 0)),
      .revents = events,
  };
  lws_service_fd(watch->context->lws, &pollfd); /* may close the watch: then its wsi is NULL */
}

static void react(lwsn_watch *watch, int status, int events) {
  lwsn_context *context = watch->context;
  lwsn_transport *t = watch->transport;
  if (status < 0) {
    /* EPOLLERR: uv has stopped the handle. Reading tells the error; held input is lost with the socket */
    watch->armed = 0;
    if (t) lwsn_transport_take_error(t, watch->fd);
    if (watch->held && t) {
      lwsn_transport_lost(t);
      lwsn_transport_reap(context);
      return;
    }
    events = UV_READABLE;
  }
  if (events & UV_DISCONNECT && watch->held && t) {
    watch->peer_left = true;
    update(watch);
    lwsn_transport_peer_left(t);
  }
  short revents = (short)((events & UV_READABLE ? LWS_POLLIN : 0) | (events & UV_WRITABLE ? LWS_POLLOUT : 0));
  /* in its raw role lws closes where input ends, whatever waits to be written or parsed */
  if (revents & LWS_POLLIN && t && lwsn_transport_takes_end(t)) revents &= ~LWS_POLLIN;
  if (revents) service(watch, revents);
  lwsn_transport_reap(context);
  /* the first read after a reset may still find data; the error comes with the next */
  if (status < 0 && watch->wsi) update(watch);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  lwsn_watch *watch = LWSN_CONTAINER(poll, lwsn_watch, poll);
  lwsn_inbound *in = &watch->context->inbound;
  lwsn_inbound_quiet(in);
  react(watch, status, events);
  lwsn_inbound_stir(in);
}

lwsn_watch *lwsn_loop_watch(lwsn_context *context, int fd) {
  lwsn_loop *loop = &context->loop;
  return fd >= 0 && (uint32_t)fd < loop->by_fd_size ? loop->by_fd[fd] : NULL;
}

static bool remember(lwsn_loop *loop, lwsn_watch *watch) {
  uint32_t fd = (uint32_t)watch->fd;
  if (fd >= loop->by_fd_size) {
    uint32_t size = loop->by_fd_size ? loop->by_fd_size : 256;
    while (size <= fd) size *= 2;
    lwsn_watch **grown = realloc(loop->by_fd, size * sizeof *grown);
    if (!grown) return false;
    memset(grown + loop->by_fd_size, 0, (size - loop->by_fd_size) * sizeof *grown);
    loop->by_fd = grown;
    loop->by_fd_size = size;
  }
  loop->by_fd[fd] = watch;
  return true;
}

/* sock_accept: lws takes a descriptor in. */
static int evlib_accept(struct lws *wsi) {
  lwsn_context *context = context_of(wsi);
  int fd = lws_get_socket_fd(wsi);
  if (lwsn_loop_watch(context, fd)) return 0;
  lwsn_watch *watch = calloc(1, sizeof *watch);
  if (!watch) return 1;
  watch->context = context;
  watch->wsi = wsi;
  watch->fd = fd;
  if (!remember(&context->loop, watch)) {
    free(watch);
    return 1;
  }
  if (uv_poll_init(context->loop.uv, &watch->poll, fd) != 0) {
    context->loop.by_fd[fd] = NULL;
    free(watch);
    return 1;
  }
  context->loop.open_handles++;
  watch->wants_read = true; /* lws expects input to be watched from here on (facts 9.2) */
  /* lws's own event descriptor has no vhost and must not keep the process alive */
  if (!lws_get_vhost(wsi)) uv_unref((uv_handle_t *)&watch->poll);
  update(watch);
  return 0;
}

static void evlib_io(struct lws *wsi, unsigned int flags) {
  lwsn_context *context = context_of(wsi);
  lwsn_watch *watch = lwsn_loop_watch(context, lws_get_socket_fd(wsi));
  if (!watch || watch->wsi != wsi) return; /* STOP comes twice, and for what we let go (facts 9.2) */
  bool start = (flags & LWS_EV_START) != 0;
  if (flags & LWS_EV_READ) watch->wants_read = start;
  if (flags & LWS_EV_WRITE) watch->wants_write = start;
  update(watch);
}

/* uv must let go of the descriptor before lws closes it. */
static int evlib_close(struct lws *wsi) {
  lwsn_context *context = context_of(wsi);
  int fd = lws_get_socket_fd(wsi);
  lwsn_watch *watch = lwsn_loop_watch(context, fd);
  if (!watch || watch->wsi != wsi) return 0;
  context->loop.by_fd[fd] = NULL;
  if (watch->transport) watch->transport->watch = NULL;
  watch->transport = NULL;
  watch->wsi = NULL;
  bool own = !lws_get_vhost(wsi);
  uv_close((uv_handle_t *)&watch->poll, watch_closed);
  if (own) close(fd); /* lws leaks its event descriptor (performance 4) */
  return 0;
}

static int evlib_init(struct lws_context *lws, void *loop, int tsi) {
  *(void **)lws_evlib_tsi_to_evlib_pt(lws, tsi) = loop;
  return 0;
}

static const struct lws_event_loop_ops operations = {
    .name = "lwsn",
    .init_pt = evlib_init,
    .init_vhost_listen_wsi = evlib_accept,
    .sock_accept = evlib_accept,
    .io = evlib_io,
    .wsi_logical_close = evlib_close,
    .evlib_size_pt = sizeof(void *), /* 0 would keep lws's timers from running (performance 4) */
};

const lws_plugin_evlib_t lwsn_event_library = {
    .hdr = {"lwsn event library", "lws_evlib_plugin", LWS_BUILD_HASH, LWS_PLUGIN_API_MAGIC},
    .ops = &operations,
};

static void on_timer(uv_timer_t *timer) {
  /* waking the loop is all: the timers run in check */
  lwsn_context *context = timer->data;
  context->loop.timer_due = 0;
}

static void sleep_until(lwsn_context *context, int64_t wait) {
  lwsn_loop *loop = &context->loop;
  if (wait < 0) {
    if (loop->timer_due) uv_timer_stop(&loop->timer);
    loop->timer_due = 0;
    return;
  }
  uint64_t due = uv_now(loop->uv) + (uint64_t)wait;
  if (loop->timer_due && loop->timer_due <= due) return; /* waking early is harmless */
  loop->timer_due = due ? due : 1;
  uv_timer_start(&loop->timer, on_timer, (uint64_t)wait, 0);
}

static uint64_t served_at(const lwsn_loop *loop, uint64_t now) {
  uint64_t passed = now > loop->mark ? now - loop->mark : 0;
  return loop->served + (passed < loop->may_pass ? passed : loop->may_pass);
}

static void pass(lwsn_loop *loop, uint64_t now, uint64_t may_pass) {
  loop->served = served_at(loop, now);
  if (now > loop->mark) loop->mark = now;
  loop->may_pass = may_pass;
}

static void on_prepare(uv_prepare_t *prepare) {
  lwsn_context *context = prepare->data;
  if (context->destroying || !context->lws) return;
  if (context->on_turn) context->on_turn(context->on_batch_data);
  lwsn_inbound_quiet(&context->inbound);
  int lws_wait = lws_service_adjust_timeout(context->lws, LONG_WAIT_MS, 0);
  if (lws_wait == 0) _lws_plat_service_forced_tsi(context->lws, 0);
  lwsn_transport_reap(context);
  lwsn_context_turn(context);
  lwsn_inbound_stir(&context->inbound);
  if (context->destroying) return;
  /* uv's clock stands still since the turn began */
  pass(&context->loop, uv_hrtime() / 1000000, WORK_MAX_MS);
  int64_t wait = lwsn_wheel_next(&context->wheel, lwsn_loop_now(context));
  if (lws_wait < LONG_WAIT_MS && (wait < 0 || lws_wait < wait)) wait = lws_wait;
  sleep_until(context, wait);
  int sleep = uv_backend_timeout(context->loop.uv);
  context->loop.may_pass = sleep < 0 ? UINT64_MAX : (uint64_t)sleep + WORK_MAX_MS;
}

void lwsn_loop_busy(lwsn_context *context, uint32_t microseconds) {
  uint64_t ns = (uint64_t)microseconds * 1000;
  if (ns > context->loop.busy_for) context->loop.busy_for = ns;
}

static void on_idle(uv_idle_t *idle) { (void)idle; }

/* An active idle handle makes uv poll without waiting, referenced or not. */
static void poll_or_sleep(lwsn_loop *loop) {
  if (loop->busy_for > 0) {
    loop->busy_until = uv_hrtime() + loop->busy_for;
    loop->busy_for = 0;
    uv_idle_start(&loop->busy, on_idle);
  } else if (loop->busy_until > 0 && uv_hrtime() >= loop->busy_until) {
    loop->busy_until = 0;
    uv_idle_stop(&loop->busy);
  }
}

/*
 * Timers run after the sockets were read: after a handler that blocked the loop
 * for long, what arrived meanwhile counts before anyone is called silent.
 */
static void on_check(uv_check_t *check) {
  lwsn_context *context = check->data;
  if (context->destroying || !context->lws) return;
  lwsn_inbound_quiet(&context->inbound);
  pass(&context->loop, uv_now(context->loop.uv), WORK_MAX_MS);
  lwsn_wheel_advance(&context->wheel, lwsn_loop_now(context));
  lwsn_transport_reap(context);
  lwsn_context_turn(context);
  lwsn_inbound_stir(&context->inbound);
  poll_or_sleep(&context->loop);
}

int lwsn_loop_init(lwsn_context *context, uv_loop_t *uv) {
  lwsn_loop *loop = &context->loop;
  memset(loop, 0, sizeof *loop);
  loop->uv = uv;
  loop->served = loop->mark = uv_now(uv);
  loop->may_pass = WORK_MAX_MS;
  uv_prepare_init(uv, &loop->prepare);
  uv_check_init(uv, &loop->check);
  uv_idle_init(uv, &loop->idle);
  uv_idle_init(uv, &loop->busy);
  uv_timer_init(uv, &loop->timer);
  loop->prepare.data = loop->check.data = loop->idle.data = loop->busy.data = loop->timer.data = context;
  loop->open_handles = 5;
  uv_prepare_start(&loop->prepare, on_prepare);
  uv_check_start(&loop->check, on_check);
  uv_unref((uv_handle_t *)&loop->prepare);
  uv_unref((uv_handle_t *)&loop->check);
  uv_unref((uv_handle_t *)&loop->idle);
  uv_unref((uv_handle_t *)&loop->busy);
  uv_unref((uv_handle_t *)&loop->timer);
  return 0;
}

void lwsn_loop_close(lwsn_context *context, void (*on_closed)(void *), void *data) {
  lwsn_loop *loop = &context->loop;
  loop->on_closed = on_closed;
  loop->on_closed_data = data;
  uv_close((uv_handle_t *)&loop->prepare, handle_closed);
  uv_close((uv_handle_t *)&loop->check, handle_closed);
  uv_close((uv_handle_t *)&loop->idle, handle_closed);
  uv_close((uv_handle_t *)&loop->busy, handle_closed);
  uv_close((uv_handle_t *)&loop->timer, handle_closed);
}

void lwsn_watch_hold(lwsn_watch *watch, bool held) {
  if (watch->held == held) return;
  watch->held = held;
  update(watch);
}

void lwsn_loop_keep_awake(lwsn_context *context, bool awake) {
  lwsn_loop *loop = &context->loop;
  if (awake == (bool)uv_is_active((uv_handle_t *)&loop->idle)) return;
  if (awake) {
    uv_idle_start(&loop->idle, on_idle);
    uv_ref((uv_handle_t *)&loop->idle); /* what is left over must be delivered before the process may end */
  } else {
    uv_idle_stop(&loop->idle);
    uv_unref((uv_handle_t *)&loop->idle);
  }
}

uint64_t lwsn_loop_now(const lwsn_context *context) { return served_at(&context->loop, uv_now(context->loop.uv)); }

uint64_t lwsn_loop_present(const lwsn_context *context) { return served_at(&context->loop, uv_hrtime() / 1000000); }
