#ifndef LWSN_STATE_H
#define LWSN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/chain.h"
#include "net/services.h"
#include "topics/publish.h"

struct lwsn_context;

/**
 * Called once per loop turn while records wait, never with lws on the stack.
 * It reads `services.inbound` and may write the out-ring and call into the core.
 */
typedef void (*lwsn_batch_fn)(struct lwsn_context *context, void *data);

/**
 * Everything of one environment: lws on its loop, the crossing, the servers.
 * Environments share nothing but groups of topics, where servers join one.
 */
typedef struct lwsn_context {
  lwsn_services services; /* what the rooms below know of it; first */
  lwsn_chain chain;
  lwsn_publications publications;
  uint8_t *staging; /* small frames on their way into one write */
  bool flushing;
  bool in_batch;
  lwsn_batch_fn on_batch;
  void *on_batch_data;
  void (*on_turn)(void *data); /* at the beginning of each turn of the loop, with on_batch_data; may be NULL */
  void (*on_destroyed)(void *);
  void *on_destroyed_data;
} lwsn_context;

/** The context whose services these are. */
static inline lwsn_context *lwsn_context_of(lwsn_services *services) {
  return LWSN_CONTAINER(services, lwsn_context, services);
}

#endif
