#ifndef LWSN_LOOP_H
#define LWSN_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/**
 * The loop of an environment: prepare and check around each poll, one timer, and served time. Its own handles keep no
 * process alive, but while something is left over.
 */
typedef struct lwsn_loop {
  uv_loop_t *uv;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;                /* runs only while work is left over from a turn */
  uv_idle_t busy;                /* runs while the loop polls without sleeping */
  uint64_t busy_for, busy_until; /* nanoseconds: asked for in this turn; of uv_hrtime */
  uv_timer_t timer;
  uint64_t timer_due; /* 0: not armed */
  /* milliseconds of service up to `mark`, of uv's clock, and how much of what follows may count at most */
  uint64_t served, mark, may_pass;
  unsigned open_handles; /* of the loop, and of whoever counted one here */
  void (*before_poll)(void *data);
  void (*after_poll)(void *data);
  void *data;
  void (*on_closed)(void *);
  void *on_closed_data;
} lwsn_loop;

/** Starts the handles on `uv`; both functions are called with `data` in each turn, around the poll. */
void lwsn_loop_init(lwsn_loop *loop, uv_loop_t *uv, void (*before_poll)(void *), void (*after_poll)(void *),
                    void *data);

/** Closes the handles; `on_closed` runs from the loop when uv let all of them go. */
void lwsn_loop_close(lwsn_loop *loop, void (*on_closed)(void *), void *data);

/** A handle that `open_handles` counts was closed. */
void lwsn_loop_released(lwsn_loop *loop);

/** Keeps the loop from sleeping while work is left, or lets it sleep again. */
void lwsn_loop_keep_awake(lwsn_loop *loop, bool awake);

/**
 * Input came to a server that pays for latency: for so many microseconds from the end of
 * this turn the loop asks the kernel for more without sleeping.
 */
void lwsn_loop_busy(lwsn_loop *loop, uint32_t microseconds);

/**
 * Served time, in milliseconds: a monotonic clock that stands still while nobody serves the sockets, be it a handler that
 * blocks the loop, a debugger, or a process or machine that is stopped. All timers and all silence are counted in
 * it, so nobody is late for a time in which we were away. As of the last event, like uv_now.
 */
uint64_t lwsn_loop_now(const lwsn_loop *loop);

/** The same at this very moment: for what begins in a handler, whose time is not the peer's. */
uint64_t lwsn_loop_present(const lwsn_loop *loop);

/** Before the poll, the work of the turn is done: its time is served. */
void lwsn_loop_worked(lwsn_loop *loop);

/** The poll may sleep for so long, or for ever when negative; behind lwsn_loop_worked. */
void lwsn_loop_sleep(lwsn_loop *loop, int64_t milliseconds);

/** After the poll: the sleep is served. */
void lwsn_loop_woke(lwsn_loop *loop);

/** At the end of the work after the poll: polls without sleeping as long as lwsn_loop_busy asked for it. */
void lwsn_loop_settle(lwsn_loop *loop);

#endif
