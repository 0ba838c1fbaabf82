#ifndef LWSN_SLAB_H
#define LWSN_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/**
 * Payload memory. A slab is written from front to back and never twice while
 * anyone can see it: one reference is the writer's, one the reader's (the
 * backing store of its ArrayBuffer). The last to let go returns it to its pool.
 */
typedef struct lwsn_slab {
  uint8_t *data;
  size_t size;     /* what was asked for */
  size_t capacity; /* what `data` has room for */
  size_t used;
  struct lwsn_slab_pool *pool;
  lwsn_node in_free;      /* among the idle slabs of its pool */
  struct lwsn_slab *next; /* in the writer's chain */
  unsigned refs;
  int32_t id;             /* place in the table of slabs a batch refers to; -1: in none */
  bool shared;            /* by several payloads */
  uint32_t seen;          /* when the reader was last known to have it, see lwsn_inbound */
  void *shown;            /* by what the reader has it; NULL: not shown yet */
  struct lwsn_lent *lent; /* the chain of lent slabs it is in, or NULL */
} lwsn_slab;

/**
 * Idle slabs that wait for their next use, which spares the page faults of fresh
 * memory. Lives until its owner and all its slabs let go.
 */
typedef struct lwsn_slab_pool {
  lwsn_node idle; /* oldest first */
  size_t idle_bytes;
  size_t idle_max;
  unsigned refs;
} lwsn_slab_pool;

/** A pool that keeps at most `keep` bytes of idle slabs, the latest; NULL without memory. */
lwsn_slab_pool *lwsn_slab_pool_create(size_t keep);
/** The owner lets go: idle slabs are freed now, the others when they come back. NULL is allowed. */
void lwsn_slab_pool_close(lwsn_slab_pool *pool);

/** A slab of `size` bytes, of which a quarter more may be behind it, with one reference and undefined content; or NULL. */
lwsn_slab *lwsn_slab_take(lwsn_slab_pool *pool, size_t size) __attribute__((noinline));
/** Makes a slab of memory that came from malloc and belongs to the slab from now on; NULL leaves it with the caller. */
lwsn_slab *lwsn_slab_wrap(uint8_t *data, size_t size);
void lwsn_slab_ref(lwsn_slab *slab);
void lwsn_slab_unref(lwsn_slab *slab);

#endif
