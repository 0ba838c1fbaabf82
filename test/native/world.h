/*
 * The core without Node: a context on a bare libuv loop, one listening server, and the "other side" that JS is
 * in the package. Every record is copied out of its batch into a log; out.h answers. Nothing here asserts:
 * the tests do, and world_end() tells them whether the rules that hold for every test were kept.
 */
#ifndef LWSN_TEST_WORLD_H
#define LWSN_TEST_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/handle.h"
#include "context/context.h"
#include "crossing/inbound.h"
#include "net/listener.h"
#include "net/server.h"

/* A record with its payload, copied out of the batch. */
typedef struct event {
  uint32_t kind;
  lwsn_handle handle;
  uint32_t detail, extra;
  uint8_t *data;
  size_t size;
} event;

struct peer;
struct life;

/* True while the core or libuv has control, and not this harness: failing.c lets only their allocations fail. */
extern bool world_in_core;

typedef struct world {
  uv_loop_t loop;
  uv_timer_t watchdog; /* ends a wait that would not end */
  uv_check_t counter;
  lwsn_context *context; /* NULL once destroyed */
  lwsn_server *server;
  lwsn_bound bound;
  event *events;
  size_t event_count, event_capacity;
  unsigned long told[32]; /* records by kind, since the beginning */
  unsigned long turns;    /* of the loop */
  unsigned long batches;
  bool accepts;  /* the other side accepts every upgrade with accept_flags, */
  bool echoes;   /* sends every message back, */
  bool responds; /* and answers every whole request with 200 */
  bool holds;    /* it puts off the answer of CLOSING */
  unsigned accept_flags;
  uint32_t short_at;                            /* the last out-record, where it holds short messages; 0: it does not */
  void (*react)(struct world *, const event *); /* called for each record behind the above */
  void *user;
  bool timed_out, gone;
  struct peer *peers;
  struct life *lives; /* by slot */
  size_t life_count;
  unsigned violations;
  char violation[160]; /* the first one */
  int descriptors;     /* open before the beginning; -1: not compared at the end */
} world;

/* 4 KiB of head, 1 MiB of payload, no limits, every timer far away. */
lwsn_server_options world_options(void);

/* Starts a context with a server that listens on 127.0.0.1; `options` NULL: the above. Ends the program if it cannot. */
void world_begin(world *w, const lwsn_server_options *options);

/* The same without a server. */
void world_begin_bare(world *w);

/* Opens a further address; 0 or a negative uv code. */
int world_listen(world *w, const lwsn_listen_options *options, lwsn_bound *bound);

/* Destroys the context and waits until it is gone. */
void world_destroy(world *w);

/*
 * Destroys what is left. True when nothing was left behind (handles, descriptors) and no record ever broke
 * the order of a life: see `violation` otherwise, which is also printed.
 */
bool world_end(world *w);

/* Notes that a rule was broken. */
void world_violate(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints why the test cannot go on, and ends the program. */
_Noreturn void world_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Begins a wait, bounded in time. */
void world_wait(world *w);

/* One turn of the loop, sleeping in it until something happens. False: the wait took too long. */
bool world_step(world *w);

/* Lets the loop run for so long, while the core's time stands still (clock.h). */
void world_run(world *w, unsigned ms);

/* Lets so much of the core's time pass, as in a loop that sleeps, in small steps, in as many turns as it takes and no longer. */
void world_pass(world *w, unsigned ms);

/* How many records of a kind were told so far. */
unsigned long world_told(const world *w, lwsn_record_kind kind);

/* The newest record of a kind in the log, or NULL. Valid until the next record. */
const event *world_last(const world *w, lwsn_record_kind kind);

/* The same for one handle. */
const event *world_last_of(const world *w, lwsn_record_kind kind, lwsn_handle handle);

/* The record of a kind at place `index`, counted from the beginning of the log, or NULL. */
const event *world_nth(const world *w, lwsn_record_kind kind, size_t index);

/* Empties the log. */
void world_forget(world *w);

bool world_under_valgrind(void);

/* Whether this run is slow for a reason: under valgrind or a sanitizer. Then counts are smaller. */
bool world_is_slow(void);

/* Descriptors this process holds. */
int world_descriptors(void);

/*
 * Asserts that `condition` becomes true soon, letting the loop run meanwhile. It is evaluated until it holds and
 * not once more, so it may take something. Needs check.h.
 */
#define CHECK_SOON(world, condition) \
  __extension__({ \
    bool came_true; \
    world_wait(world); \
    while (!(came_true = (condition)) && world_step(world)) continue; \
    check_that(came_true, __FILE__, __LINE__, "%s did not come true", #condition); \
  })

/*
 * Asserts that `condition` does not hold before `ms` of the core's time have passed, and holds then. The timers of
 * the core are late by one tick at most.
 */
#define CHECK_AFTER(world, ms, condition) \
  __extension__({ \
    world_pass((world), (ms)-1); \
    check_that(!(condition), __FILE__, __LINE__, "%s came true before %u ms", #condition, (unsigned)(ms)); \
    world_pass((world), 1 + LWSN_WHEEL_TICK_MS); \
    CHECK_SOON(world, condition); \
  })

#endif
