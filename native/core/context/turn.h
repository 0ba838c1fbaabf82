#ifndef LWSN_TURN_H
#define LWSN_TURN_H

#include "context/state.h"

/** Ends a turn: flushes, lets stalled input go on, delivers records, reaps. */
void lwsn_context_turn(lwsn_context *context);

/** In each turn of the loop: what comes before the poll, and behind it. `context` is an lwsn_context. */
void lwsn_turn_before_poll(void *context);
void lwsn_turn_after_poll(void *context);

#endif
