#include "slab.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };

lwsn_slab_pool *lwsn_slab_pool_create(size_t slab_size, size_t keep) {
  lwsn_slab_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->slab_size = slab_size;
  pool->free_max = keep;
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

void lwsn_slab_pool_close(lwsn_slab_pool *pool) {
  if (!pool) return;
  while (pool->free_list) {
    lwsn_slab *slab = pool->free_list;
    pool->free_list = slab->next;
    slab_free(slab);
  }
  pool->free_count = 0;
  pool->free_max = 0;
  pool_unref(pool);
}

static lwsn_slab *slab_create(uint8_t *data, size_t size) {
  lwsn_slab *slab = calloc(1, sizeof *slab);
  if (!slab) return NULL;
  slab->data = data;
  slab->size = size;
  slab->refs = 1;
  slab->id = -1;
  return slab;
}

lwsn_slab *lwsn_slab_take(lwsn_slab_pool *pool) {
  lwsn_slab *slab = pool->free_list;
  if (slab) {
    pool->free_list = slab->next;
    pool->free_count--;
  } else {
    uint8_t *data = aligned_alloc(ALIGNMENT, pool->slab_size);
    slab = data ? slab_create(data, pool->slab_size) : NULL;
    if (!slab) {
      free(data);
      return NULL;
    }
    slab->pool = pool;
  }
  pool->refs++;
  slab->used = 0;
  slab->refs = 1;
  slab->id = -1;
  slab->exported = false;
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
  if (pool && pool->free_count < pool->free_max) {
    slab->next = pool->free_list;
    pool->free_list = slab;
    pool->free_count++;
  } else {
    slab_free(slab);
  }
  if (pool) pool_unref(pool);
}
