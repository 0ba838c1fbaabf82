#include "base/slab.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };

lwsn_slab_pool *lwsn_slab_pool_create(size_t keep) {
  lwsn_slab_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  lwsn_list_init(&pool->idle);
  pool->idle_max = keep;
  pool->refs = 1;
  return pool;
}

static void slab_free(lwsn_slab *slab) {
  free(slab->data);
  free(slab);
}

static void pool_unref(lwsn_slab_pool *pool) {
  if (--pool->refs == 0) free(pool);
}

static void leave_idle(lwsn_slab *slab) {
  lwsn_list_remove(&slab->in_free);
  slab->pool->idle_bytes -= slab->capacity;
}

/* Frees the oldest idle slabs until `bytes` more may be kept, or none is left. */
static void make_room(lwsn_slab_pool *pool, size_t bytes) {
  for (lwsn_node *node = pool->idle.next, *next; node != &pool->idle; node = next) {
    if (pool->idle_bytes + bytes <= pool->idle_max) return;
    next = node->next;
    lwsn_slab *oldest = LWSN_CONTAINER(node, lwsn_slab, in_free);
    leave_idle(oldest);
    slab_free(oldest);
  }
}

void lwsn_slab_pool_close(lwsn_slab_pool *pool) {
  if (!pool) return;
  pool->idle_max = 0;
  make_room(pool, 1);
  pool_unref(pool);
}

static lwsn_slab *slab_create(uint8_t *data, size_t size) {
  lwsn_slab *slab = calloc(1, sizeof *slab);
  if (!slab) return NULL;
  slab->data = data;
  slab->size = slab->capacity = size;
  lwsn_list_init(&slab->in_free);
  slab->refs = 1;
  slab->id = -1;
  return slab;
}

/* The latest idle slab that fits: the caches may still hold it. */
static lwsn_slab *find_idle(lwsn_slab_pool *pool, size_t size) {
  for (lwsn_node *node = pool->idle.prev; node != &pool->idle; node = node->prev) {
    lwsn_slab *slab = LWSN_CONTAINER(node, lwsn_slab, in_free);
    if (slab->capacity >= size && slab->capacity - size <= size / 4) return slab;
  }
  return NULL;
}

lwsn_slab *lwsn_slab_take(lwsn_slab_pool *pool, size_t size) {
  lwsn_slab *slab = find_idle(pool, size);
  if (slab) {
    leave_idle(slab);
  } else {
    size_t capacity = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    uint8_t *data = aligned_alloc(ALIGNMENT, capacity);
    slab = data ? slab_create(data, capacity) : NULL;
    if (!slab) {
      free(data);
      return NULL;
    }
    slab->pool = pool;
  }
  pool->refs++;
  slab->size = size;
  slab->used = 0;
  slab->refs = 1;
  slab->id = -1;
  slab->shared = false;
  slab->shown = NULL;
  slab->lent = NULL;
  slab->next = NULL;
  return slab;
}

lwsn_slab *lwsn_slab_wrap(uint8_t *data, size_t size) {
  lwsn_slab *slab = slab_create(data, size);
  if (slab) slab->used = size;
  return slab;
}

void lwsn_slab_ref(lwsn_slab *slab) { slab->refs++; }

void lwsn_slab_unref(lwsn_slab *slab) {
  if (--slab->refs > 0) return;
  lwsn_slab_pool *pool = slab->pool;
  if (pool && slab->capacity <= pool->idle_max) {
    make_room(pool, slab->capacity);
    lwsn_list_append(&pool->idle, &slab->in_free);
    pool->idle_bytes += slab->capacity;
  } else {
    slab_free(slab);
  }
  if (pool) pool_unref(pool);
}
