#ifndef LWSN_EVENTS_H
#define LWSN_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/loop.h"
#include "lws/wsi.h"

/**
 * The poll handle of one descriptor. Born when lws takes the descriptor in, its
 * memory dies in uv's close callback, after the descriptor.
 */
typedef struct lwsn_watch {
  uv_poll_t poll;
  struct lwsn_events *events;
  lwsn_wsi *wsi;            /* NULL from when lws let it go */
  void *tenant;             /* whose it is (lwsn_watch_take); NULL for lws's own descriptors */
  struct lwsn_watch **kept; /* where the tenant keeps it, emptied when lws lets it go */
  int fd;
  bool wants_read;  /* as lws says */
  bool wants_write; /* as lws says */
  bool held;        /* as we say: no input, but notice a peer that leaves */
  bool peer_left;   /* told already; level-triggered, so not asked for again */
  int armed;        /* uv events that it is started for */
} lwsn_watch;

/** A descriptor is ready, uv's status and events as they are. Answers with lwsn_watch_serve. */
typedef void (*lwsn_ready_fn)(lwsn_watch *watch, int status, int events);

/** lws's event library on the loop of the environment (facts 9.2): one poll handle per descriptor. */
typedef struct lwsn_events {
  lwsn_loop *loop;
  lwsn_ready_fn on_ready;
  void *owner; /* for on_ready */
  struct lws_context *lws;
  lwsn_watch **by_fd;
  uint32_t by_fd_size;
  lwsn_watch *own; /* of lws's event descriptor */
} lwsn_events;

/** The watch of a descriptor that lws took in, or NULL. */
lwsn_watch *lwsn_events_watch(lwsn_events *events, int fd);

/** Gives the watch to whoever its descriptor is for; `kept` holds it from now on. */
void lwsn_watch_take(lwsn_watch *watch, void *tenant, lwsn_watch **kept);

/** Its tenant goes before it does. */
void lwsn_watch_leave(lwsn_watch *watch);

/** Lets lws serve its descriptor, with UV_READABLE and UV_WRITABLE of `events`. It may be closed afterwards. */
void lwsn_watch_serve(lwsn_watch *watch, int events);

/** Settles what uv is asked for, after a change of what is wanted, held or told. */
void lwsn_watch_update(lwsn_watch *watch);

/** Stops or resumes input; while held, only a leaving peer is noticed. */
void lwsn_watch_hold(lwsn_watch *watch, bool held);

#endif
