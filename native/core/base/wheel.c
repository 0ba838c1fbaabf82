#include "base/wheel.h"

#include <stddef.h>

/*
 * A timer lies on the level of the highest 6-bit digit in which its tick differs from the wheel's, in the slot
 * of that digit. So every slot of a level lies behind the wheel's own digit, all of level n comes before all of
 * level n + 1, and a slot of a higher level is spread over the lower ones when the wheel reaches its start.
 */
enum {
  DIGIT_BITS = 6,
  DIGIT_MASK = LWSN_WHEEL_SLOTS - 1,
  OVERDUE = LWSN_WHEEL_LEVELS * LWSN_WHEEL_SLOTS,
  FIRING = OVERDUE + 1
};

static const uint64_t LATEST = INT64_MAX & ~(uint64_t)(LWSN_WHEEL_TICK_MS - 1);

static void append(lwsn_wheel *w, lwsn_timer *t, unsigned list) {
  lwsn_timer *first = w->lists[list];
  t->list = (uint16_t)list;
  if (first) {
    t->next = first;
    t->prev = first->prev;
    first->prev->next = t;
    first->prev = t;
    return;
  }
  t->next = t->prev = t;
  w->lists[list] = t;
  if (list < OVERDUE) w->occupied[list / LWSN_WHEEL_SLOTS] |= (uint64_t)1 << list % LWSN_WHEEL_SLOTS;
}

static void unlink_timer(lwsn_wheel *w, lwsn_timer *t) {
  unsigned list = t->list;
  if (t->next == t) {
    w->lists[list] = NULL;
    if (list < OVERDUE) w->occupied[list / LWSN_WHEEL_SLOTS] &= ~((uint64_t)1 << list % LWSN_WHEEL_SLOTS);
  } else {
    if (w->lists[list] == t) w->lists[list] = t->next;
    t->next->prev = t->prev;
    t->prev->next = t->next;
  }
  t->next = t->prev = NULL;
}

/* The first tick at which it is not early. */
static uint64_t tick_of(uint64_t due) { return due / LWSN_WHEEL_TICK_MS + (due % LWSN_WHEEL_TICK_MS != 0); }

/* `reached` is the list for a timer whose tick the wheel has reached. */
static void place(lwsn_wheel *w, lwsn_timer *t, unsigned reached) {
  uint64_t tick = tick_of(t->due);
  if (tick <= w->tick) {
    append(w, t, reached);
    return;
  }
  unsigned level = (63 - (unsigned)__builtin_clzll(tick ^ w->tick)) / DIGIT_BITS;
  append(w, t, level * LWSN_WHEEL_SLOTS + (unsigned)(tick >> level * DIGIT_BITS & DIGIT_MASK));
}

/* The earliest occupied slot and the tick at which it starts; false when all are empty. */
static bool first_slot(const lwsn_wheel *w, unsigned *list, uint64_t *start) {
  for (unsigned level = 0; level < LWSN_WHEEL_LEVELS; level++) {
    if (!w->occupied[level]) continue;
    unsigned slot = (unsigned)__builtin_ctzll(w->occupied[level]), shift = level * DIGIT_BITS;
    uint64_t digits = w->tick >> shift; /* the wheel's own, from this level up: its lowest gives way to the slot */
    *list = level * LWSN_WHEEL_SLOTS + slot;
    *start = ((digits & ~(uint64_t)DIGIT_MASK) | slot) << shift;
    return true;
  }
  return false;
}

/* The list keeps its order, and all of it moves: to its place as seen from the wheel's tick, or to FIRING. */
static void spread(lwsn_wheel *w, unsigned list) {
  lwsn_timer *t;
  while ((t = w->lists[list])) {
    unlink_timer(w, t);
    place(w, t, FIRING);
  }
}

static void collect(lwsn_wheel *w, uint64_t target) {
  unsigned list;
  uint64_t start;
  spread(w, OVERDUE);
  while (first_slot(w, &list, &start) && start <= target) {
    w->tick = start;
    spread(w, list);
  }
  if (target > w->tick) w->tick = target;
}

void lwsn_wheel_init(lwsn_wheel *w, uint64_t now_ms) { *w = (lwsn_wheel){.tick = now_ms / LWSN_WHEEL_TICK_MS}; }

void lwsn_timer_init(lwsn_timer *t, void (*fire)(lwsn_timer *timer)) { *t = (lwsn_timer){.fire = fire}; }

bool lwsn_timer_armed(const lwsn_timer *t) { return t->next != NULL; }

void lwsn_timer_cancel(lwsn_wheel *w, lwsn_timer *t) {
  if (!lwsn_timer_armed(t)) return;
  unlink_timer(w, t);
  w->armed--;
}

void lwsn_timer_arm(lwsn_wheel *w, lwsn_timer *t, uint64_t due_ms) {
  lwsn_timer_cancel(w, t);
  t->due = due_ms < LATEST ? due_ms : LATEST;
  place(w, t, OVERDUE);
  w->armed++;
}

void lwsn_wheel_advance(lwsn_wheel *w, uint64_t now_ms) {
  if (w->armed) {
    collect(w, now_ms / LWSN_WHEEL_TICK_MS);
  } else if (now_ms / LWSN_WHEEL_TICK_MS > w->tick) {
    w->tick = now_ms / LWSN_WHEEL_TICK_MS;
  }
  lwsn_timer *t;
  while ((t = w->lists[FIRING])) {
    unlink_timer(w, t);
    w->armed--;
    t->fire(t);
  }
}

int64_t lwsn_wheel_next(const lwsn_wheel *w, uint64_t now_ms) {
  if (!w->armed) return -1;
  unsigned list;
  uint64_t start;
  if (w->lists[OVERDUE] || w->lists[FIRING] || !first_slot(w, &list, &start)) return 0;
  uint64_t at = start * LWSN_WHEEL_TICK_MS;
  return at > now_ms ? (int64_t)(at - now_ms) : 0;
}
