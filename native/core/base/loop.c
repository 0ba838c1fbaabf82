#include "base/loop.h"

#include <string.h>

/* Between two polls, and on top of a sleep: what is beyond it was absence. */
static const uint64_t WORK_MAX_MS = 20;

void lwsn_loop_released(lwsn_loop *loop) {
  if (--loop->open_handles == 0 && loop->on_closed) loop->on_closed(loop->on_closed_data);
}

static void handle_closed(uv_handle_t *handle) { lwsn_loop_released(handle->data); }

static void on_timer(uv_timer_t *timer) {
  /* waking the loop is all: the timers run in check */
  lwsn_loop *loop = timer->data;
  loop->timer_due = 0;
}

static void sleep_until(lwsn_loop *loop, int64_t wait) {
  if (wait < 0) {
    if (loop->timer_due) uv_timer_stop(&loop->timer);
    loop->timer_due = 0;
    return;
  }
  uint64_t due = uv_now(loop->uv) + (uint64_t)wait;
  if (loop->timer_due && loop->timer_due <= due) return; /* waking early is harmless */
  loop->timer_due = due ? due : 1;
  uv_timer_start(&loop->timer, on_timer, (uint64_t)wait, 0);
}

static uint64_t served_at(const lwsn_loop *loop, uint64_t now) {
  uint64_t passed = now > loop->mark ? now - loop->mark : 0;
  return loop->served + (passed < loop->may_pass ? passed : loop->may_pass);
}

static void pass(lwsn_loop *loop, uint64_t now) {
  loop->served = served_at(loop, now);
  if (now > loop->mark) loop->mark = now;
  loop->may_pass = WORK_MAX_MS;
}

/* uv's clock stands still since the turn began */
void lwsn_loop_worked(lwsn_loop *loop) { pass(loop, uv_hrtime() / 1000000); }

void lwsn_loop_sleep(lwsn_loop *loop, int64_t milliseconds) {
  sleep_until(loop, milliseconds);
  int sleep = uv_backend_timeout(loop->uv);
  loop->may_pass = sleep < 0 ? UINT64_MAX : (uint64_t)sleep + WORK_MAX_MS;
}

void lwsn_loop_woke(lwsn_loop *loop) { pass(loop, uv_now(loop->uv)); }

uint64_t lwsn_loop_now(const lwsn_loop *loop) { return served_at(loop, uv_now(loop->uv)); }

uint64_t lwsn_loop_present(const lwsn_loop *loop) { return served_at(loop, uv_hrtime() / 1000000); }

void lwsn_loop_busy(lwsn_loop *loop, uint32_t microseconds) {
  uint64_t ns = (uint64_t)microseconds * 1000;
  if (ns > loop->busy_for) loop->busy_for = ns;
}

static void on_idle(uv_idle_t *idle) { (void)idle; }

/* An active idle handle makes uv poll without waiting, referenced or not. */
void lwsn_loop_settle(lwsn_loop *loop) {
  if (loop->busy_for > 0) {
    loop->busy_until = uv_hrtime() + loop->busy_for;
    loop->busy_for = 0;
    uv_idle_start(&loop->busy, on_idle);
  } else if (loop->busy_until > 0 && uv_hrtime() >= loop->busy_until) {
    loop->busy_until = 0;
    uv_idle_stop(&loop->busy);
  }
}

void lwsn_loop_keep_awake(lwsn_loop *loop, bool awake) {
  if (awake == (bool)uv_is_active((uv_handle_t *)&loop->idle)) return;
  if (awake) {
    uv_idle_start(&loop->idle, on_idle);
    uv_ref((uv_handle_t *)&loop->idle); /* what is left over must be delivered before the process may end */
  } else {
    uv_idle_stop(&loop->idle);
    uv_unref((uv_handle_t *)&loop->idle);
  }
}

static void on_prepare(uv_prepare_t *prepare) {
  lwsn_loop *loop = prepare->data;
  loop->before_poll(loop->data);
}

static void on_check(uv_check_t *check) {
  lwsn_loop *loop = check->data;
  loop->after_poll(loop->data);
}

void lwsn_loop_init(lwsn_loop *loop, uv_loop_t *uv, void (*before_poll)(void *), void (*after_poll)(void *),
                    void *data) {
  memset(loop, 0, sizeof *loop);
  loop->uv = uv;
  loop->before_poll = before_poll;
  loop->after_poll = after_poll;
  loop->data = data;
  loop->served = loop->mark = uv_now(uv);
  loop->may_pass = WORK_MAX_MS;
  uv_prepare_init(uv, &loop->prepare);
  uv_check_init(uv, &loop->check);
  uv_idle_init(uv, &loop->idle);
  uv_idle_init(uv, &loop->busy);
  uv_timer_init(uv, &loop->timer);
  loop->prepare.data = loop->check.data = loop->idle.data = loop->busy.data = loop->timer.data = loop;
  loop->open_handles = 5;
  uv_prepare_start(&loop->prepare, on_prepare);
  uv_check_start(&loop->check, on_check);
  uv_unref((uv_handle_t *)&loop->prepare);
  uv_unref((uv_handle_t *)&loop->check);
  uv_unref((uv_handle_t *)&loop->idle);
  uv_unref((uv_handle_t *)&loop->busy);
  uv_unref((uv_handle_t *)&loop->timer);
}

void lwsn_loop_close(lwsn_loop *loop, void (*on_closed)(void *), void *data) {
  loop->on_closed = on_closed;
  loop->on_closed_data = data;
  uv_close((uv_handle_t *)&loop->prepare, handle_closed);
  uv_close((uv_handle_t *)&loop->check, handle_closed);
  uv_close((uv_handle_t *)&loop->idle, handle_closed);
  uv_close((uv_handle_t *)&loop->busy, handle_closed);
  uv_close((uv_handle_t *)&loop->timer, handle_closed);
}
