#ifndef LWSN_CONTEXT_H
#define LWSN_CONTEXT_H

#include <uv.h>

#include "context/flush.h"
#include "context/state.h"

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

#endif
