#include "crossing/inbound.h"

#include <stdlib.h>
#include <string.h>

#include "base/sanitize.h"

enum {
  BATCH_BYTES_MAX = 4 * 1024 * 1024, /* payload per batch, after which sockets wait for the next turn */
  SMALL_KEEP = 4 * 1024 * 1024,      /* bytes of idle slabs */
  LARGE_KEEP = 48 * 1024 * 1024,     /* about what one young-generation cycle holds */
  OWN_KEEP = 48 * 1024 * 1024,
  LENT_SIZE = 256 * 1024,
  LENT_KEEP = 24,           /* slabs, about what a full batch takes; those of a larger burst are not kept */
  LANDING_MAX = 128 * 1024, /* one read takes at most this much */
  OVERFLOW_MIN = 256,       /* records */
};

static lwsn_slab_pool *create_pool(size_t keep) { return lwsn_slab_pool_create(LWSN_SANITIZED ? 0 : keep); }

bool lwsn_inbound_init(lwsn_inbound *in) {
  memset(in, 0, sizeof *in);
  in->ring = lwsn_region_create(LWSN_RING_RECORDS * sizeof(lwsn_record));
  in->small_pool = create_pool(SMALL_KEEP);
  in->large_pool = create_pool(LARGE_KEEP);
  in->own_pool = create_pool(OWN_KEEP);
  if (in->ring && in->small_pool && in->large_pool && in->own_pool) return true;
  lwsn_inbound_free(in);
  return false;
}

void lwsn_inbound_free(lwsn_inbound *in) {
  for (uint32_t i = 0; i < in->table_used; i++)
    if (in->table[i]) lwsn_slab_unref(in->table[i]);
  lwsn_slab_pool_close(in->small_pool);
  lwsn_slab_pool_close(in->large_pool);
  lwsn_slab_pool_close(in->own_pool);
  lwsn_region_unref(in->ring);
  free(in->overflow);
  memset(in, 0, sizeof *in);
}

/* The table holds the writer's reference of every slab in it. */
static bool table_add(lwsn_inbound *in, lwsn_slab *slab) {
  for (uint32_t i = 0; i < LWSN_SLABS_MAX; i++) {
    if (in->table[i]) continue;
    in->table[i] = slab;
    slab->id = (int32_t)i;
    if (i >= in->table_used) in->table_used = i + 1;
    return true;
  }
  return false;
}

static void table_remove(lwsn_inbound *in, lwsn_slab *slab) {
  in->table[slab->id] = NULL;
  slab->id = -1;
  lwsn_slab_unref(slab);
}

static uint8_t *place(lwsn_slab *slab, lwsn_record *record, size_t size) {
  uint8_t *at = slab->data + slab->used;
  record->slab = slab->id;
  record->offset = (uint32_t)slab->used;
  record->length = (uint32_t)size;
  slab->used += (size + 7) & ~(size_t)7;
  if (slab->used > slab->size) slab->used = slab->size;
  return at;
}

void lwsn_inbound_quiet(lwsn_inbound *in) {
  in->quiet = true;
  in->seen++;
}

void lwsn_inbound_stir(lwsn_inbound *in) { in->quiet = false; }

/* Whether the slab may be written: what its reader gave away is left. */
static bool is_ours(lwsn_inbound *in, lwsn_slab *slab) {
  if (!slab->shown || !in->is_gone || (in->quiet && slab->seen == in->seen)) return true;
  if (in->is_gone(slab->shown)) {
    lwsn_inbound_abandon(in, slab->id);
    return false;
  }
  slab->seen = in->seen;
  return true;
}

static lwsn_slab *shared_with_room(lwsn_inbound *in, bool large, size_t size) {
  lwsn_slab **current = large ? &in->large : &in->small;
  lwsn_slab *now = *current;
  if (now && now->size - now->used >= size && is_ours(in, now)) return now;
  lwsn_slab *fresh =
      large ? lwsn_slab_take(in->large_pool, LWSN_LARGE_SLAB) : lwsn_slab_take(in->small_pool, LWSN_SMALL_SLAB);
  if (!fresh) return NULL;
  if (!table_add(in, fresh)) {
    lwsn_slab_unref(fresh);
    return NULL;
  }
  fresh->shared = true;
  *current = fresh; /* the full one stays in the table until the batch that shows it was delivered */
  return fresh;
}

static lwsn_slab *lent_create(lwsn_inbound *in, size_t size) {
  uint8_t *data = malloc(size);
  lwsn_slab *slab = data ? lwsn_slab_wrap(data, size) : NULL;
  if (!slab) {
    free(data);
    return NULL;
  }
  if (!table_add(in, slab)) {
    lwsn_slab_unref(slab);
    return NULL;
  }
  slab->used = 0;
  slab->shared = true;
  return slab;
}

static void lent_add(lwsn_lent *lent, lwsn_slab *slab) {
  slab->lent = lent;
  slab->next = lent->first;
  lent->first = slab;
  lent->count++;
}

static void lent_remove(lwsn_slab *slab) {
  lwsn_lent *lent = slab->lent;
  if (!lent) return;
  lwsn_slab **link = &lent->first;
  while (*link != slab) link = &(*link)->next;
  *link = slab->next;
  lent->count--;
  lent->current = lent->first;
  slab->next = NULL;
  slab->lent = NULL;
}

/* Lent slabs are chained and rewound after each batch, so a burst grows the chain once and not per message. */
static lwsn_slab *lent_with_room(lwsn_inbound *in, lwsn_lent *lent, size_t size) {
  lwsn_slab *slab = lent->current;
  while (slab && (slab->size - slab->used < size || !is_ours(in, slab))) slab = slab->lent ? slab->next : lent->first;
  if (!slab) {
    slab = lent_create(in, size > LENT_SIZE ? size : LENT_SIZE);
    if (!slab) return NULL;
    lent_add(lent, slab);
  }
  if (slab->used == 0) lwsn_unpoison(slab->data, slab->size);
  lent->current = slab;
  return slab;
}

static lwsn_slab *with_room(lwsn_inbound *in, lwsn_keep keep, bool large, size_t size) {
  return keep == LWSN_KEEP_LONG ? shared_with_room(in, large, size) : lent_with_room(in, &in->lent[keep], size);
}

uint8_t *lwsn_inbound_reserve(lwsn_inbound *in, lwsn_record *record, size_t size, lwsn_keep keep) {
  static uint8_t nothing[1];
  if (size == 0) {
    record->slab = -1;
    record->offset = record->length = 0;
    return nothing;
  }
  if (keep == LWSN_KEEP_LONG && size > LWSN_LARGE_MAX) {
    lwsn_slab *own = lwsn_slab_take(in->own_pool, size);
    if (!own || lwsn_inbound_adopt(in, record, own)) return own ? own->data : NULL;
    lwsn_slab_unref(own);
    return NULL;
  }
  lwsn_slab *slab = with_room(in, keep, size > LWSN_SMALL_MAX, size);
  if (!slab) return NULL;
  in->batch_bytes += size;
  return place(slab, record, size);
}

uint8_t *lwsn_inbound_land(lwsn_inbound *in, lwsn_keep keep, size_t least, size_t *room) {
  lwsn_slab *slab = with_room(in, keep, true, least);
  if (!slab) return NULL;
  size_t begin = slab->used, end = slab->size;
  if (end - begin > LANDING_MAX) end = begin + LANDING_MAX;
  in->landing = (lwsn_landing){.slab = slab, .keep = keep, .begin = begin, .end = end, .shown = begin};
  slab->used = end;
  *room = end - begin;
  return slab->data + begin;
}

bool lwsn_inbound_show(lwsn_inbound *in, lwsn_record *record, const uint8_t *payload, size_t size, lwsn_keep keep) {
  lwsn_landing *landing = &in->landing;
  if (!landing->slab || landing->keep != keep || size <= LWSN_SMALL_MAX) return false;
  const uint8_t *data = landing->slab->data;
  if (payload < data + landing->begin || payload >= data + landing->end) return false;
  record->slab = landing->slab->id;
  record->offset = (uint32_t)(payload - data);
  record->length = (uint32_t)size;
  landing->shown = record->offset + size;
  in->batch_bytes += size;
  return true;
}

void lwsn_inbound_landed(lwsn_inbound *in) {
  lwsn_landing *landing = &in->landing;
  if (!landing->slab) return;
  /* a payload that was copied meanwhile lies behind the landing */
  if (landing->slab->used == landing->end) landing->slab->used = landing->shown;
  landing->slab = NULL;
}

bool lwsn_inbound_adopt(lwsn_inbound *in, lwsn_record *record, lwsn_slab *slab) {
  if (!table_add(in, slab)) return false;
  slab->used = slab->size;
  record->slab = slab->id;
  record->offset = 0;
  record->length = (uint32_t)slab->size;
  in->batch_bytes += slab->size;
  return true;
}

/* Room in the overflow for `more` records beyond those that are there and those that were promised. */
static bool overflow_room(lwsn_inbound *in, uint32_t more) {
  uint32_t needed = in->overflow_count + in->promised + more;
  if (needed <= in->overflow_capacity) return true;
  uint32_t capacity = in->overflow_capacity ? in->overflow_capacity * 2 : OVERFLOW_MIN;
  while (capacity < needed) capacity *= 2;
  lwsn_record *grown = realloc(in->overflow, capacity * sizeof *grown);
  if (!grown) return false;
  in->overflow = grown;
  in->overflow_capacity = capacity;
  return true;
}

/* Order is exact: nothing overtakes the overflow, and the ring is not touched while it is being read. */
lwsn_record *lwsn_inbound_next(const lwsn_inbound *in) {
  if (in->count == LWSN_RING_RECORDS || in->overflow_count > 0 || in->delivering) return NULL;
  return (lwsn_record *)in->ring->data + in->count;
}

bool lwsn_inbound_begin_run(lwsn_inbound *in, lwsn_keep keep, size_t least, lwsn_run *run) {
  lwsn_record *next = lwsn_inbound_next(in);
  if (!next) return false;
  lwsn_slab *slab = with_room(in, keep, false, least);
  if (!slab) return false;
  *run = (lwsn_run){.slab = slab,
                    .next = next,
                    .records = LWSN_RING_RECORDS - in->count,
                    .at = slab->data + slab->used,
                    .room = slab->size - slab->used};
  return true;
}

void lwsn_inbound_end_run(lwsn_inbound *in, const lwsn_run *run, uint32_t count, size_t bytes) {
  in->count += count;
  in->batch_bytes += bytes;
  run->slab->used = run->slab->size - run->room;
}

static bool push_ring(lwsn_inbound *in, const lwsn_record *record) {
  lwsn_record *next = lwsn_inbound_next(in);
  if (!next) return false;
  if (next != record) *next = *record;
  in->count++;
  return true;
}

bool lwsn_inbound_push(lwsn_inbound *in, const lwsn_record *record) {
  if (push_ring(in, record)) return true;
  if (!overflow_room(in, 1)) return false;
  in->overflow[in->overflow_count++] = *record;
  return true;
}

bool lwsn_inbound_promise(lwsn_inbound *in) {
  if (!overflow_room(in, 1)) return false;
  in->promised++;
  return true;
}

void lwsn_inbound_renounce(lwsn_inbound *in) { in->promised--; }

void lwsn_inbound_push_last(lwsn_inbound *in, const lwsn_record *record) {
  in->promised--;
  if (!push_ring(in, record)) in->overflow[in->overflow_count++] = *record;
}

bool lwsn_inbound_has_room(const lwsn_inbound *in) {
  return in->count < LWSN_RING_RECORDS && in->overflow_count == 0 && in->batch_bytes < BATCH_BYTES_MAX;
}

static bool still_referred(const lwsn_inbound *in, int32_t id) {
  for (uint32_t i = 0; i < in->overflow_count; i++)
    if (in->overflow[i].slab == id) return true;
  return false;
}

void lwsn_inbound_deliver(lwsn_inbound *in) { in->delivering = true; }

/* The batch that showed it was delivered. Of lent ones a burst's, and those of unusual size, are not kept. */
static void settle_slab(lwsn_inbound *in, lwsn_slab *slab) {
  bool kept = slab->lent && slab->size == LENT_SIZE && slab->lent->count <= LENT_KEEP;
  /* what was given away is not to be poisoned under its new owner; elsewhere the next writer finds it out */
  if (kept && (!LWSN_SANITIZED || is_ours(in, slab))) {
    slab->used = 0;
    lwsn_poison(slab->data, slab->size);
    return;
  }
  lent_remove(slab);
  table_remove(in, slab);
}

void lwsn_inbound_settle(lwsn_inbound *in) {
  in->delivering = false;
  in->delivered += in->count;
  for (uint32_t i = 0; i < in->table_used; i++) {
    lwsn_slab *slab = in->table[i];
    if (!slab || slab == in->small || slab == in->large) continue;
    if (in->overflow_count > 0 && still_referred(in, slab->id)) continue;
    settle_slab(in, slab);
  }
  while (in->table_used > 0 && !in->table[in->table_used - 1]) in->table_used--;
  for (int i = 0; i < LWSN_KEEP_LONG; i++) in->lent[i].current = in->lent[i].first;
  in->batch_bytes = 0;
  in->count = in->overflow_count < LWSN_RING_RECORDS ? in->overflow_count : LWSN_RING_RECORDS;
  if (in->count == 0) return;
  memcpy(in->ring->data, in->overflow, in->count * sizeof(lwsn_record));
  in->overflow_count -= in->count;
  memmove(in->overflow, in->overflow + in->count, in->overflow_count * sizeof(lwsn_record));
}

void lwsn_inbound_abandon(lwsn_inbound *in, int32_t id) {
  if (id < 0 || id >= LWSN_SLABS_MAX || !in->table[id]) return;
  lwsn_slab *slab = in->table[id];
  if (slab == in->small) in->small = NULL;
  if (slab == in->large) in->large = NULL;
  lent_remove(slab);
}
