/*
 * Timers of one event loop: an intrusive hierarchical timer wheel. Arming and cancelling are O(1) and allocate
 * nothing; a timer costs its struct. The owner advances the wheel; it knows no clock and no event loop.
 *
 * Times are milliseconds of any clock that does not go back (an earlier `now` counts as the latest one seen).
 * The resolution is one tick of 8 ms: a timer never fires early, and at most one tick late.
 */
#ifndef LWSN_WHEEL_H
#define LWSN_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
  LWSN_WHEEL_TICK_MS = 8,
  LWSN_WHEEL_LEVELS = 11, /* 6 bits of the tick each: every 64-bit time has its place */
  LWSN_WHEEL_SLOTS = 64,
  LWSN_WHEEL_LISTS = LWSN_WHEEL_LEVELS * LWSN_WHEEL_SLOTS + 2
};

/* Embed it; only `due` (while armed) and `fire` are for other files to read. May not move while armed. */
typedef struct lwsn_timer {
  struct lwsn_timer *next, *prev; /* circular; NULL while not armed */
  uint64_t due;
  void (*fire)(struct lwsn_timer *timer);
  uint16_t list;
} lwsn_timer;

/* May be embedded and moved. All timers must be cancelled, or be gone together with it, when its memory ends. */
typedef struct lwsn_wheel {
  uint64_t tick; /* everything up to it has been taken out of the slots */
  uint64_t armed;
  uint64_t occupied[LWSN_WHEEL_LEVELS];
  lwsn_timer *lists[LWSN_WHEEL_LISTS]; /* slots of level 0, 1, …; then those overdue and those about to fire */
} lwsn_wheel;

void lwsn_wheel_init(lwsn_wheel *w, uint64_t now_ms);

/* Sets the callback; the timer is not armed. Not for a timer that is armed. */
void lwsn_timer_init(lwsn_timer *t, void (*fire)(lwsn_timer *timer));

/*
 * Lets it fire once at due_ms, instead of when it was to fire before. With a time that has passed it fires in the
 * next advance. Times above INT64_MAX - 7 count as that (that is, never).
 */
void lwsn_timer_arm(lwsn_wheel *w, lwsn_timer *t, uint64_t due_ms);

/* It will not fire, also when it was already about to in the running advance. Nothing if not armed. */
void lwsn_timer_cancel(lwsn_wheel *w, lwsn_timer *t);

/* False from the moment its callback is called. */
bool lwsn_timer_armed(const lwsn_timer *t);

/*
 * Fires what is due, in the order of the ticks, each once. A callback may arm and cancel any timer, and free any
 * that is not armed, its own included; what it arms fires in a later advance, never in this one.
 * It must neither advance the wheel nor free it.
 */
void lwsn_wheel_advance(lwsn_wheel *w, uint64_t now_ms);

/*
 * Milliseconds until the wheel is to be advanced: 0 when something is due, -1 when no timer is armed. May be
 * too short for a far timer (it then moves to a finer level), never too long.
 */
int64_t lwsn_wheel_next(const lwsn_wheel *w, uint64_t now_ms);

#endif
