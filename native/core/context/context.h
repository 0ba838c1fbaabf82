#ifndef LWSN_CONTEXT_H
#define LWSN_CONTEXT_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "base/registry.h"
#include "base/wheel.h"
#include "context/outbound.h"
#include "crossing/inbound.h"
#include "lws/loop.h"
#include "topics/publish.h"
#include "wire/deflate.h"
#include "wire/frame.h"

enum {
  LWSN_SCRATCH_SIZE = 128 * 1024, /* one read takes at most this much */
};

/**
 * Called once per loop turn while records wait, never with lws on the stack.
 * It reads `context->inbound` and may write the out-ring and call into the core.
 */
typedef void (*lwsn_batch_fn)(struct lwsn_context *context, void *data);

/**
 * Everything of one environment: the lws context on its loop, the crossing, the
 * servers. Environments share nothing but groups of topics, where servers join one.
 */
typedef struct lwsn_context {
  struct lws_context *lws;
  struct lws_vhost *vhost;
  lwsn_loop loop;
  lwsn_wheel wheel;
  lwsn_registry registry;
  lwsn_inbound inbound;
  lwsn_outbound outbound;
  lwsn_publications publications;
  struct lwsn_place *places; /* of servers */
  uint32_t places_used, places_capacity, places_free;
  lwsn_node groups; /* its memberships (group.h) */
  lwsn_node stalled;
  lwsn_node leaving; /* their CLOSING waits until what was told of them before is delivered */
  lwsn_node doomed;
  uint8_t *scratch;
  struct lwsn_tls_io *tls_io; /* made with the first TLS transport */
  lwsn_deflate_shared *deflate;
  lwsn_mask_source masks;
  lwsn_batch_fn on_batch;
  void *on_batch_data;
  void (*on_turn)(void *data); /* at the beginning of each turn of the loop, with on_batch_data; may be NULL */
  bool in_batch;
  bool destroying;
  void (*on_destroyed)(void *);
  void *on_destroyed_data;
} lwsn_context;

/**
 * Creates a context on a running loop. NULL: `*why` is a sentence.
 * `on_batch` may be NULL only while nothing listens.
 */
lwsn_context *lwsn_context_create(uv_loop_t *loop, lwsn_batch_fn on_batch, void *data, const char **why);

/**
 * Flushes what was sent, closes everything without further batches and frees the
 * context when uv has let go of all handles; then `done` is called from the loop.
 */
void lwsn_context_destroy(lwsn_context *context, void (*done)(void *), void *data);

/** Ends a turn: flushes, lets stalled input go on, delivers records, reaps. */
void lwsn_context_turn(lwsn_context *context);

/** The callback and the list of protocols that lws is given. */
extern const struct lws_protocols lwsn_protocols[];

enum { LWSN_PROTOCOL_HTTP = 0, LWSN_PROTOCOL_WS = 1 };

/** The protocol of this vhost (lws works on copies). */
const struct lws_protocols *lwsn_context_protocol(lwsn_context *context, int which);

#endif
