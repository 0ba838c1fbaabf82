#ifndef LWSN_LOOP_H
#define LWSN_LOOP_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/wheel.h"

struct lwsn_context;
struct lwsn_transport;

/**
 * The poll handle of one descriptor. Born when lws takes the descriptor in, its
 * memory dies in uv's close callback, after the descriptor.
 */
typedef struct lwsn_watch {
  uv_poll_t poll;
  struct lwsn_context *context;
  struct lws *wsi;
  struct lwsn_transport *transport; /* NULL for lws's own descriptors */
  int fd;
  bool wants_read;  /* as lws says */
  bool wants_write; /* as lws says */
  bool held;        /* as we say: no input, but notice a peer that leaves */
  bool peer_left;   /* told already; level-triggered, so not asked for again */
  int armed;        /* uv events asked for now */
} lwsn_watch;

/**
 * lws's event library on the loop of the environment (facts 9.2): one poll
 * handle per descriptor, one timer, and prepare/check to end each turn.
 * Everything here is unref'ed but the polls of transports.
 */
typedef struct lwsn_loop {
  uv_loop_t *uv;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;                /* runs only while work is left over from a turn */
  uv_idle_t busy;                /* runs while the loop polls without sleeping */
  uint64_t busy_for, busy_until; /* nanoseconds: asked for in this turn; of uv_hrtime */
  uv_timer_t timer;
  lwsn_watch **by_fd;
  uint32_t by_fd_size;
  uint64_t timer_due; /* 0: not armed */
  /* milliseconds of service up to `mark`, of uv's clock, and how much of what follows may count at most */
  uint64_t served, mark, may_pass;
  unsigned open_handles;
  void (*on_closed)(void *);
  void *on_closed_data;
} lwsn_loop;

/** The operations to give to lws as `event_lib_custom`. */
extern const lws_plugin_evlib_t lwsn_event_library;

/** Starts the handles on `uv`. Returns 0 or a negative uv code. */
int lwsn_loop_init(struct lwsn_context *context, uv_loop_t *uv);

/** Closes the handles; `on_closed` runs from the loop when uv let all of them go. */
void lwsn_loop_close(struct lwsn_context *context, void (*on_closed)(void *), void *data);

/** The watch of a descriptor that lws took in, or NULL. */
lwsn_watch *lwsn_loop_watch(struct lwsn_context *context, int fd);

/** Stops or resumes input; while held, only a leaving peer is noticed. */
void lwsn_watch_hold(lwsn_watch *watch, bool held);

/** Keeps the loop from sleeping while work is left, or lets it sleep again. */
void lwsn_loop_keep_awake(struct lwsn_context *context, bool awake);

/**
 * Input came to a server that pays for latency: for so many microseconds from the end of
 * this turn the loop asks the kernel for more without sleeping.
 */
void lwsn_loop_busy(struct lwsn_context *context, uint32_t microseconds);

/** A handle that `open_handles` counts was closed. */
void lwsn_loop_released(struct lwsn_context *context);

/**
 * Served time, in milliseconds: a monotonic clock that stands still while nobody serves the sockets, be it a handler that
 * blocks the loop, a debugger, or a process or machine that is stopped. All timers and all silence are counted in
 * it, so nobody is late for a time in which we were away. As of the last event, like uv_now.
 */
uint64_t lwsn_loop_now(const struct lwsn_context *context);

/** The same at this very moment: for what begins in a handler, whose time is not the peer's. */
uint64_t lwsn_loop_present(const struct lwsn_context *context);

#endif
