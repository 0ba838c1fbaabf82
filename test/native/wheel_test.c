/* The timer wheel: its promises one by one, then long random runs against a plain list of due times. */
#include "base/wheel.h"

#include "check.h"

#include <stdlib.h>

enum { TICK = LWSN_WHEEL_TICK_MS };

typedef struct probe {
  lwsn_timer timer; /* first: the callback gets its address */
  unsigned fired;
  uint64_t fired_order;
  lwsn_wheel *wheel;
  struct probe *other;
  uint64_t again_at;
} probe;

static uint64_t order;

static void count(lwsn_timer *t) {
  probe *p = (probe *)t;
  p->fired++;
  p->fired_order = ++order;
}

static probe made(void (*fire)(lwsn_timer *)) {
  probe p = {0};
  lwsn_timer_init(&p.timer, fire);
  return p;
}

static void fires_never_early_and_at_most_a_tick_late(void) {
  static const uint64_t delays[] = {1, 7, 8, 9, 63, 64, 65, 500, 511, 512, 513, 4095, 4096, 30000, 32768, 86400000};
  for (uint64_t begin = 0; begin < 1100; begin += 61)
    for (size_t k = 0; k < sizeof delays / sizeof *delays; k++) {
      lwsn_wheel w;
      probe p = made(count);
      uint64_t due = begin + delays[k], now = begin;
      lwsn_wheel_init(&w, begin);
      lwsn_timer_arm(&w, &p.timer, due);
      CHECK_INT(p.timer.due, due);
      if (due > 2000 && due - 2000 > now) now = due - 2000;
      for (; now < due + 2 * TICK; now++) {
        lwsn_wheel_advance(&w, now);
        CHECK_MSG(!p.fired || now >= due, "from %llu: due %llu, fired at %llu", (unsigned long long)begin,
                  (unsigned long long)due, (unsigned long long)now);
        CHECK_MSG(p.fired == 1 || now < due + TICK, "from %llu: due %llu, not fired at %llu", (unsigned long long)begin,
                  (unsigned long long)due, (unsigned long long)now);
        CHECK(lwsn_timer_armed(&p.timer) == !p.fired);
      }
      CHECK_INT(p.fired, 1);
      CHECK_INT(lwsn_wheel_next(&w, now), -1);
    }
}

static void a_time_that_has_passed_fires_in_the_next_advance(void) {
  lwsn_wheel w;
  probe p = made(count);
  lwsn_wheel_init(&w, 10000);
  lwsn_timer_arm(&w, &p.timer, 3);
  CHECK_INT(p.fired, 0);
  CHECK_INT(lwsn_wheel_next(&w, 10000), 0);
  lwsn_wheel_advance(&w, 10000);
  CHECK_INT(p.fired, 1);
  lwsn_timer_arm(&w, &p.timer, 10000);
  lwsn_wheel_advance(&w, 10000);
  CHECK_INT(p.fired, 2);
}

static void fires_in_the_order_of_the_ticks(void) {
  enum { N = 200 };
  lwsn_wheel w;
  static probe p[N];
  lwsn_wheel_init(&w, 77);
  for (unsigned i = 0; i < N; i++) {
    p[i] = made(count);
    lwsn_timer_arm(&w, &p[i].timer, 77 + (uint64_t)(i * 7919 % N) * 997);
  }
  lwsn_wheel_advance(&w, 1000000);
  for (unsigned i = 0; i < N; i++)
    for (unsigned k = 0; k < N; k++)
      if (p[i].timer.due + TICK <= p[k].timer.due) CHECK(p[i].fired_order < p[k].fired_order);
}

static void cancelling_is_final_and_may_be_repeated(void) {
  lwsn_wheel w;
  probe p = made(count);
  lwsn_wheel_init(&w, 0);
  lwsn_timer_cancel(&w, &p.timer);
  lwsn_timer_arm(&w, &p.timer, 50);
  lwsn_timer_cancel(&w, &p.timer);
  lwsn_timer_cancel(&w, &p.timer);
  CHECK(!lwsn_timer_armed(&p.timer));
  CHECK_INT(lwsn_wheel_next(&w, 0), -1);
  lwsn_wheel_advance(&w, 100000);
  CHECK_INT(p.fired, 0);
}

static void arming_again_replaces_the_time(void) {
  lwsn_wheel w;
  probe p = made(count);
  lwsn_wheel_init(&w, 0);
  lwsn_timer_arm(&w, &p.timer, 80);
  lwsn_timer_arm(&w, &p.timer, 8000);
  lwsn_wheel_advance(&w, 7999);
  CHECK_INT(p.fired, 0);
  lwsn_timer_arm(&w, &p.timer, 8800);
  lwsn_wheel_advance(&w, 8799);
  CHECK_INT(p.fired, 0);
  lwsn_wheel_advance(&w, 8800);
  CHECK_INT(p.fired, 1);
  lwsn_wheel_advance(&w, 100000);
  CHECK_INT(p.fired, 1);
}

static void arm_again(lwsn_timer *t) {
  probe *p = (probe *)t;
  CHECK(!lwsn_timer_armed(t));
  count(t);
  lwsn_timer_arm(p->wheel, t, p->again_at);
}

static void what_a_callback_arms_fires_in_a_later_advance(void) {
  static const uint64_t times[] = {0, 100, 4000, 5000};
  for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
    lwsn_wheel w;
    probe p = made(arm_again);
    lwsn_wheel_init(&w, 0);
    p.wheel = &w;
    p.again_at = times[k];
    lwsn_timer_arm(&w, &p.timer, 100);
    for (unsigned i = 1; i <= 5; i++) {
      lwsn_wheel_advance(&w, 5000);
      CHECK_INT(p.fired, i);
      CHECK_INT(lwsn_wheel_next(&w, 5000), 0);
    }
  }
}

static void cancel_and_free_other(lwsn_timer *t) {
  probe *p = (probe *)t;
  count(t);
  if (!p->other) return;
  lwsn_timer_cancel(p->wheel, &p->other->timer);
  free(p->other);
  p->other = NULL;
}

static void a_callback_may_free_a_timer_about_to_fire(void) {
  static const uint64_t due[] = {100, 101, 104, 700, 40000};
  for (size_t k = 0; k < sizeof due / sizeof *due; k++) {
    lwsn_wheel w;
    probe p = made(cancel_and_free_other), *victim = malloc(sizeof *victim);
    lwsn_wheel_init(&w, 0);
    p.wheel = &w;
    p.other = victim;
    *victim = made(count);
    uint64_t before = order;
    lwsn_timer_arm(&w, &p.timer, 100);
    lwsn_timer_arm(&w, &victim->timer, due[k]);
    lwsn_wheel_advance(&w, 50000);
    CHECK_INT(order - before, 1);
    CHECK_INT(lwsn_wheel_next(&w, 50000), -1);
  }
}

static void free_itself(lwsn_timer *t) {
  order++;
  free(t);
}

static void a_callback_may_free_its_own_timer(void) {
  lwsn_wheel w;
  lwsn_wheel_init(&w, 0);
  uint64_t before = order;
  for (unsigned i = 0; i < 10; i++) {
    lwsn_timer *t = malloc(sizeof *t);
    lwsn_timer_init(t, free_itself);
    lwsn_timer_arm(&w, t, i * 30);
  }
  lwsn_wheel_advance(&w, 1000);
  CHECK_INT(order - before, 10);
}

static void postpone_other(lwsn_timer *t) {
  probe *p = (probe *)t;
  count(t);
  lwsn_timer_arm(p->wheel, &p->other->timer, p->again_at);
}

static void a_callback_may_postpone_a_timer_about_to_fire(void) {
  lwsn_wheel w;
  probe p = made(postpone_other), q = made(count);
  lwsn_wheel_init(&w, 0);
  p.wheel = &w;
  p.other = &q;
  p.again_at = 9000;
  lwsn_timer_arm(&w, &p.timer, 10);
  lwsn_timer_arm(&w, &q.timer, 12);
  lwsn_wheel_advance(&w, 1000);
  CHECK_INT(q.fired, 0);
  lwsn_wheel_advance(&w, 9000);
  CHECK_INT(q.fired, 1);
}

static void a_clock_that_goes_back_fires_nothing_early(void) {
  lwsn_wheel w;
  probe p = made(count);
  lwsn_wheel_init(&w, 100000);
  lwsn_timer_arm(&w, &p.timer, 100100);
  lwsn_wheel_advance(&w, 5);
  CHECK_INT(p.fired, 0);
  CHECK_INT(lwsn_wheel_next(&w, 100000), 104);
  lwsn_wheel_advance(&w, 100104);
  CHECK_INT(p.fired, 1);
}

static void the_ends_of_time_are_in_range(void) {
  lwsn_wheel w;
  probe never = made(count), late = made(count), early = made(count);
  lwsn_wheel_init(&w, 0);
  lwsn_timer_arm(&w, &never.timer, UINT64_MAX);
  lwsn_timer_arm(&w, &late.timer, (uint64_t)1 << 62);
  lwsn_timer_arm(&w, &early.timer, 8);
  CHECK_INT(lwsn_wheel_next(&w, 0), 8);
  lwsn_wheel_advance(&w, 8);
  CHECK_INT(early.fired, 1);
  CHECK(lwsn_wheel_next(&w, 8) > 0);
  lwsn_wheel_advance(&w, ((uint64_t)1 << 62) - 1);
  CHECK_INT(late.fired, 0);
  lwsn_wheel_advance(&w, (uint64_t)1 << 62);
  CHECK_INT(late.fired, 1);
  CHECK_INT(never.fired, 0);
  CHECK(lwsn_wheel_next(&w, (uint64_t)1 << 62) > 0);
  lwsn_wheel_advance(&w, UINT64_MAX);
  CHECK_INT(never.fired, 1);
  CHECK_INT(lwsn_wheel_next(&w, UINT64_MAX), -1);
}

static void sleeping_as_long_as_it_says_wakes_seldom_and_in_time(void) {
  static const uint64_t delays[] = {1, 100, 5000, 30000, 120000, 86400000, 31536000000u};
  for (size_t k = 0; k < sizeof delays / sizeof *delays; k++) {
    lwsn_wheel w;
    probe p = made(count);
    uint64_t now = 123456789, due = now + delays[k];
    lwsn_wheel_init(&w, now);
    lwsn_timer_arm(&w, &p.timer, due);
    unsigned wakes = 0;
    for (int64_t sleep; (sleep = lwsn_wheel_next(&w, now)) >= 0; wakes++) {
      CHECK(wakes == 0 || sleep > 0 || p.fired);
      now += (uint64_t)sleep;
      lwsn_wheel_advance(&w, now);
    }
    CHECK_INT(p.fired, 1);
    CHECK(now >= due && now < due + TICK);
    CHECK_MSG(wakes <= 8, "%u wakes for %llu ms", wakes, (unsigned long long)delays[k]);
  }
}

/* ---- random runs ---- */

enum { MANY = 120 };

typedef struct model_timer {
  lwsn_timer timer;
  unsigned index;
  bool armed;
  uint64_t due;
  uint64_t not_before; /* the first advance in which it may fire */
} model_timer;

static struct {
  lwsn_wheel wheel;
  model_timer *timers[MANY]; /* each a block of its own, freed and made anew at random */
  uint64_t now, advances;
  bool advancing;
  unsigned long fired;
} run;

static uint64_t random_state = 88172645463325252u;
static uint64_t random_below(uint64_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state % limit;
}

static uint64_t random_due(void) {
  switch (random_below(8)) {
    case 0: return run.now - random_below(run.now < 3000 ? run.now + 1 : 3000);
    case 1: return run.now + random_below(8);
    case 2: return run.now + random_below(512);
    case 3: return run.now + 5000;
    case 4: return run.now + 30000;
    case 5: return run.now + random_below(3600000);
    case 6: return run.now + random_below(7 * 86400000);
    default: return run.now + random_below(20000);
  }
}

static void model_fire(lwsn_timer *t);

static void model_renew(unsigned i) {
  model_timer *m = run.timers[i];
  if (m) lwsn_timer_cancel(&run.wheel, &m->timer);
  free(m);
  m = run.timers[i] = calloc(1, sizeof *m);
  lwsn_timer_init(&m->timer, model_fire);
  m->index = i;
}

static void model_change(unsigned i) {
  model_timer *m = run.timers[i];
  switch (random_below(8)) {
    case 0: model_renew(i); return;
    case 1:
    case 2:
      lwsn_timer_cancel(&run.wheel, &m->timer);
      m->armed = false;
      return;
    default:
      m->due = random_due();
      m->armed = true;
      m->not_before = run.advances + run.advancing;
      lwsn_timer_arm(&run.wheel, &m->timer, m->due);
  }
}

static void model_fire(lwsn_timer *t) {
  model_timer *m = (model_timer *)t;
  CHECK(run.timers[m->index] == m);
  CHECK(m->armed && !lwsn_timer_armed(t));
  CHECK_MSG(run.now >= m->due, "early: due %llu, now %llu", (unsigned long long)m->due, (unsigned long long)run.now);
  CHECK_MSG(run.advances >= m->not_before, "fired in the advance that armed it");
  m->armed = false;
  run.fired++;
  unsigned self = m->index;
  if (random_below(3) == 0) model_change(self); /* may free m */
  if (random_below(3) == 0) model_change((unsigned)random_below(MANY));
}

static void model_check(void) {
  unsigned armed = 0;
  int64_t sleep = lwsn_wheel_next(&run.wheel, run.now);
  for (unsigned i = 0; i < MANY; i++) {
    model_timer *m = run.timers[i];
    CHECK_INT(lwsn_timer_armed(&m->timer), m->armed);
    if (!m->armed) continue;
    armed++;
    CHECK_MSG(run.now < m->due + TICK || run.advances < m->not_before, "due %llu, still armed at %llu",
              (unsigned long long)m->due, (unsigned long long)run.now);
    uint64_t at_latest = m->due + TICK - 1 > run.now ? m->due + TICK - 1 - run.now : 0;
    CHECK_MSG(sleep >= 0 && (uint64_t)sleep <= at_latest, "sleeps %lld, due in %llu", (long long)sleep,
              (unsigned long long)at_latest);
  }
  CHECK_INT(run.wheel.armed, armed);
  if (armed == 0) CHECK_INT(sleep, -1);
}

static uint64_t random_step(void) {
  int64_t sleep = lwsn_wheel_next(&run.wheel, run.now);
  switch (random_below(16)) {
    case 0: return 0;
    case 1: return random_below(600);
    case 2: return random_below(60000);
    case 3: return random_below(100) ? random_below(600000) : random_below(3 * 86400000);
    case 4:
    case 5:
    case 6:
    case 7: return random_below(20);
    default: return sleep > 0 ? (uint64_t)sleep : 1;
  }
}

static void agrees_with_a_plain_list_over_many_days(void) {
  static const uint64_t begins[] = {0, 1, 511, 1234567, 1753000000000u};
  for (size_t k = 0; k < sizeof begins / sizeof *begins; k++) {
    run.now = begins[k];
    run.fired = 0;
    lwsn_wheel_init(&run.wheel, run.now);
    for (unsigned i = 0; i < MANY; i++) model_renew(i);
    for (unsigned round = 0; round < 20000; round++) {
      for (uint64_t n = random_below(6); n > 0; n--) model_change((unsigned)random_below(MANY));
      if (round % 1000 == 999)
        for (unsigned i = 0; i < MANY; i++) model_renew(i);
      run.now += random_step();
      run.advances++;
      run.advancing = true;
      lwsn_wheel_advance(&run.wheel, run.now);
      run.advancing = false;
      model_check();
    }
    CHECK_MSG(run.now - begins[k] > 5 * 86400000u, "only %llu ms", (unsigned long long)(run.now - begins[k]));
    CHECK_MSG(run.fired > 5000, "only %lu fired", run.fired);
    for (unsigned i = 0; i < MANY; i++) {
      lwsn_timer_cancel(&run.wheel, &run.timers[i]->timer);
      free(run.timers[i]);
      run.timers[i] = NULL;
    }
    CHECK_INT(lwsn_wheel_next(&run.wheel, run.now), -1);
    for (unsigned i = 0; i < LWSN_WHEEL_LEVELS; i++) CHECK_INT(run.wheel.occupied[i], 0);
  }
}

int main(void) {
  fires_never_early_and_at_most_a_tick_late();
  a_time_that_has_passed_fires_in_the_next_advance();
  fires_in_the_order_of_the_ticks();
  cancelling_is_final_and_may_be_repeated();
  arming_again_replaces_the_time();
  what_a_callback_arms_fires_in_a_later_advance();
  a_callback_may_free_a_timer_about_to_fire();
  a_callback_may_free_its_own_timer();
  a_callback_may_postpone_a_timer_about_to_fire();
  a_clock_that_goes_back_fires_nothing_early();
  the_ends_of_time_are_in_range();
  sleeping_as_long_as_it_says_wakes_seldom_and_in_time();
  agrees_with_a_plain_list_over_many_days();
  return check_report();
}
