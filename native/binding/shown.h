#ifndef LWSN_SHOWN_H
#define LWSN_SHOWN_H

#include <napi.h>

#include <cstddef>

extern "C" {
#include "base/list.h"
#include "base/region.h"
#include "base/slab.h"
}

struct Environment;

/**
 * Native memory behind an ArrayBuffer. Node-API runs the finalizer of such memory when the environment ends, though
 * V8's backing store may live on where `transfer()` or a transfer list has moved it, in this thread or another. So the
 * owner gets its reference back only where the ArrayBuffer still has the memory; otherwise it is left to whoever holds
 * it, for ever, and counted.
 */
struct Shown {
  Environment* environment;
  lwsn_node in_environment;
  napi_ref buffer; /* weak */
  const uint8_t* data;
  size_t size;
  lwsn_slab* slab; /* one of these owns it */
  lwsn_region* region;
  bool left;
};

/** An ArrayBuffer of a slab, or of a copy of it where the runtime forbids external memory; null: none. */
napi_value ShowSlab(Environment* environment, lwsn_slab* slab);

/** An ArrayBuffer of a region; null: none. */
napi_value ShowRegion(Environment* environment, lwsn_region* region);

/**
 * For each turn of the loop: where JS may run no more, what it has given away is left. Node turns the loop once more,
 * to close its handles, before it releases external memory; its clean-up hooks would be too late.
 */
void LeaveAtTheEnd(Environment* environment);

/** Whether JS has given the memory away; a lwsn_gone_fn. */
bool IsGone(void* shown);

/** Bytes that environments of this process have left to others when they ended. */
size_t BytesLeft();

#endif
