#include "clock.h"

#include <stdbool.h>
#include <uv.h>

static bool stopped;
static uint64_t now_ms, loop_ms, sleep_ms;

uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __real_uv_hrtime(void);
int __real_uv_backend_timeout(const uv_loop_t *loop);

void clock_stop(void) {
  stopped = true;
  sleep_ms = 0;
  now_ms = loop_ms = __real_uv_hrtime() / 1000000;
}

void clock_run(void) { stopped = false; }

void clock_advance(uint64_t ms) { now_ms += ms; }

void clock_sleep(uint64_t ms) { sleep_ms += ms; }

void clock_turn(void) { loop_ms = now_ms; }

void clock_turned(void) {
  now_ms += sleep_ms;
  sleep_ms = 0;
}

uint64_t clock_now(void) { return stopped ? now_ms : __real_uv_hrtime() / 1000000; }

uint64_t __wrap_uv_now(const uv_loop_t *loop) { return stopped ? loop_ms : __real_uv_now(loop); }

uint64_t __wrap_uv_hrtime(void) { return stopped ? now_ms * 1000000 : __real_uv_hrtime(); }

/* Asked for when the loop is about to sleep. */
int __wrap_uv_backend_timeout(const uv_loop_t *loop) {
  if (!stopped) return __real_uv_backend_timeout(loop);
  now_ms += sleep_ms;
  sleep_ms = 0;
  loop_ms = now_ms;
  return -1;
}
