/* Payload memory: what is taken again, what is kept, and that the last to let go frees. */
#include "base/slab.h"

#include "check.h"

#include <stdlib.h>

enum { KB = 1024 };

static void memory_comes_back_to_who_asks_for_as_much(void) {
  lwsn_slab_pool *pool = lwsn_slab_pool_create(1000 * KB);
  lwsn_slab *slab = lwsn_slab_take(pool, 100 * KB);
  const uint8_t *data = slab->data;
  slab->used = 7;
  lwsn_slab_unref(slab);
  slab = lwsn_slab_take(pool, 100 * KB);
  CHECK(slab->data == data);
  CHECK_INT(slab->used, 0);
  CHECK_INT(slab->size, 100 * KB);
  lwsn_slab_unref(slab);
  lwsn_slab_pool_close(pool);
}

static void a_slab_is_at_most_a_quarter_larger_than_what_was_asked_for(void) {
  static const struct {
    size_t size;
    bool again;
  } cases[] = {{100 * KB, true}, {80 * KB, true}, {79 * KB, false}, {101 * KB, false}, {1, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    lwsn_slab_pool *pool = lwsn_slab_pool_create(1000 * KB);
    lwsn_slab *slab = lwsn_slab_take(pool, 100 * KB);
    const lwsn_slab *first = slab;
    lwsn_slab_unref(slab);
    slab = lwsn_slab_take(pool, cases[i].size);
    CHECK_MSG((slab == first) == cases[i].again, "%zu bytes", cases[i].size);
    CHECK_INT(slab->size, cases[i].size);
    CHECK(slab->capacity >= slab->size);
    lwsn_slab_unref(slab);
    lwsn_slab_pool_close(pool);
  }
}

static void the_latest_that_fits_is_taken_first(void) {
  lwsn_slab_pool *pool = lwsn_slab_pool_create(1000 * KB);
  lwsn_slab *slabs[3];
  for (int i = 0; i < 3; i++) slabs[i] = lwsn_slab_take(pool, 100 * KB);
  const lwsn_slab *order[] = {slabs[1], slabs[2], slabs[0]};
  lwsn_slab_unref(slabs[0]);
  lwsn_slab_unref(slabs[2]);
  lwsn_slab_unref(slabs[1]);
  for (int i = 0; i < 3; i++) {
    slabs[i] = lwsn_slab_take(pool, 100 * KB);
    CHECK(slabs[i] == order[i]);
  }
  for (int i = 0; i < 3; i++) lwsn_slab_unref(slabs[i]);
  lwsn_slab_pool_close(pool);
}

static void the_oldest_idle_ones_make_room(void) {
  lwsn_slab_pool *pool = lwsn_slab_pool_create(300 * KB);
  lwsn_slab *slabs[4];
  for (int i = 0; i < 4; i++) slabs[i] = lwsn_slab_take(pool, 100 * KB);
  for (int i = 0; i < 4; i++) {
    lwsn_slab_unref(slabs[i]);
    CHECK_INT(pool->idle_bytes, (i < 3 ? i + 1 : 3) * 100 * KB);
  }
  lwsn_slab *large = lwsn_slab_take(pool, 250 * KB);
  lwsn_slab_unref(large);
  CHECK_INT(pool->idle_bytes, 250 * KB);
  lwsn_slab_unref(lwsn_slab_take(pool, 301 * KB));
  CHECK_INT(pool->idle_bytes, 250 * KB);
  lwsn_slab_pool_close(pool);
}

static void who_lets_go_last_frees(void) {
  lwsn_slab_pool *pool = lwsn_slab_pool_create(300 * KB);
  lwsn_slab *slab = lwsn_slab_take(pool, KB), *wrapped = lwsn_slab_wrap(malloc(3), 3);
  lwsn_slab_ref(slab);
  lwsn_slab_unref(slab);
  lwsn_slab_unref(lwsn_slab_take(pool, 100 * KB));
  lwsn_slab_pool_close(pool); /* its idle one ends here, `slab` below: a sanitizer tells */
  memset(slab->data, 1, slab->size);
  lwsn_slab_unref(slab);
  CHECK_INT(wrapped->used, 3);
  lwsn_slab_unref(wrapped);
}

int main(void) {
  memory_comes_back_to_who_asks_for_as_much();
  a_slab_is_at_most_a_quarter_larger_than_what_was_asked_for();
  the_latest_that_fits_is_taken_first();
  the_oldest_idle_ones_make_room();
  who_lets_go_last_frees();
  return check_report();
}
