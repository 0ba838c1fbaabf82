/* Load generator: opens connections, sends, verifies every byte that comes back, prints one JSON line.
 * Exit: 0 done, 1 the server failed the check (stderr says how), 2 wrong arguments. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "load.h"

#define EVENTS 256
#define OPENING_AT_ONCE 32u
#define STALL 5000000000ull /* nanoseconds without progress that end the run */
#define DRAINED_QUIET 20000000ull

enum phase { PHASE_OPENING, PHASE_HOLDING, PHASE_WARMUP, PHASE_WINDOW, PHASE_DRAIN, PHASE_QUIET, PHASE_DONE };

struct run {
  struct load load;
  enum phase phase;
  uint64_t phase_began, progress_at, progress_mark, verified_before, opened_in;
  uint32_t next; /* connection to open */
  struct cpu_snapshot server_from, server_to, own_from, own_to;
  uint64_t window, window_verified;
};

bool load_fail(struct load *load, const char *format, ...) {
  if (load->failure[0]) return false;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(load->failure, sizeof load->failure, format, arguments);
  va_end(arguments);
  return false;
}

uint64_t load_random(struct load *load) { return payload_mix(load->random++); }

uint8_t load_opcode(const struct load *load) {
  return load->options.kind == PAYLOAD_BINARY ? FRAME_BINARY : FRAME_TEXT;
}

static bool snapshot(struct run *run, struct cpu_snapshot *server, struct cpu_snapshot *own) {
  pid_t pid = run->load.options.pid;
  if ((pid && !measure_cpu(server, pid)) || !measure_cpu(own, getpid()))
    return load_fail(&run->load, "the CPU time of process %d cannot be read", (int)pid);
  return true;
}

static void enter(struct run *run, enum phase phase, uint64_t now) {
  run->phase = phase;
  run->phase_began = now;
}

static bool begin_traffic(struct run *run, uint64_t now) {
  run->load.sending = run->load.options.mode != LOAD_IDLE;
  enter(run, run->load.sending ? PHASE_WARMUP : PHASE_DRAIN, now);
  return run->load.work->start(&run->load);
}

static bool step_opening(struct run *run, uint64_t now) {
  struct load *load = &run->load;
  while (!load->options.listen && run->next < load->options.connections && load->opening < OPENING_AT_ONCE)
    if (!conn_open(load, &load->conns[run->next++])) return false;
  if (load->open < load->options.connections) return true;
  run->opened_in = now - run->phase_began;
  if (load->options.mode != LOAD_IDLE) return begin_traffic(run, now);
  printf("{\"open\":%u,\"seconds\":%.6f}\n", load->open, (double)run->opened_in / 1e9);
  fflush(stdout);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event))
    return load_fail(load, "idle: standard input must be a pipe (%s)", strerror(errno));
  enter(run, PHASE_HOLDING, now);
  return true;
}

static bool step(struct run *run, uint64_t now) {
  struct load *load = &run->load;
  const struct load_options *o = &load->options;
  uint64_t elapsed = now - run->phase_began;
  switch (run->phase) {
    case PHASE_OPENING: return step_opening(run, now);
    case PHASE_HOLDING:
      if ((double)elapsed > o->seconds * 1e9) return load_fail(load, "idle: held longer than --seconds");
      return true;
    case PHASE_WARMUP:
      if ((double)elapsed < o->warmup * 1e9) return true;
      memset(&load->times, 0, sizeof load->times);
      run->verified_before = load->verified;
      enter(run, PHASE_WINDOW, measure_now());
      return snapshot(run, &run->server_from, &run->own_from);
    case PHASE_WINDOW:
      run->window_verified = load->verified - run->verified_before;
      if ((double)elapsed < o->seconds * 1e9 && (!o->messages || run->window_verified < o->messages)) return true;
      run->window = elapsed;
      load->sending = false;
      enter(run, PHASE_DRAIN, now);
      return snapshot(run, &run->server_to, &run->own_to);
    case PHASE_DRAIN:
      if (!load->in_flight) enter(run, PHASE_QUIET, now);
      return true;
    case PHASE_QUIET: /* nothing may come any more */
      if (elapsed > DRAINED_QUIET) enter(run, PHASE_DONE, now);
      return true;
    case PHASE_DONE: return true;
  }
  return true;
}

static bool check_progress(struct run *run, uint64_t now) {
  uint64_t mark = run->load.verified + run->load.open;
  if (mark != run->progress_mark || run->phase == PHASE_HOLDING) {
    run->progress_mark = mark;
    run->progress_at = now;
  }
  return now - run->progress_at < STALL ||
         load_fail(&run->load, "no progress for 5 s: %u of %u connections open, %" PRIu64 " messages missing",
                   run->load.open, run->load.options.connections, run->load.in_flight);
}

static bool run_loop(struct run *run) {
  struct load *load = &run->load;
  struct epoll_event events[EVENTS];
  uint64_t now = measure_now();
  run->progress_at = now;
  enter(run, PHASE_OPENING, now);
  if (load->options.mode == LOAD_CONNECT && !begin_traffic(run, now)) return false;
  while (run->phase != PHASE_DONE) {
    if (!step(run, now) || !check_progress(run, now)) return false;
    int count = epoll_wait(load->epoll, events, EVENTS, load->options.spin ? 0 : 10);
    if (count < 0 && errno != EINTR) return load_fail(load, "epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == &load->listener) {
        if (!listen_event(load)) return false;
      } else if (events[i].data.ptr) {
        if (!conn_event(load, events[i].data.ptr, events[i].events)) return false;
      } else {
        epoll_ctl(load->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        if (!begin_traffic(run, measure_now())) return false;
      }
    }
    now = measure_now();
    if (load->sending && load->work->tick && !load->work->tick(load, now)) return false;
  }
  return true;
}

static void print_result(struct run *run) {
  const struct histogram *times = &run->load.times;
  uint64_t cpu = 0, wait = 0, own_cpu, own_wait;
  if (run->load.options.pid) measure_cpu_between(&run->server_from, &run->server_to, &cpu, &wait);
  measure_cpu_between(&run->own_from, &run->own_to, &own_cpu, &own_wait);
  printf("{\"messages\":%" PRIu64 ",\"seconds\":%.6f,\"verified\":%" PRIu64 ",\"opening\":%.6f,"
         "\"cpu\":%" PRIu64 ",\"wait\":%" PRIu64 ",\"loadCpu\":%" PRIu64 ",\"loadWait\":%" PRIu64 ","
         "\"times\":{\"count\":%" PRIu64 ",\"mean\":%.0f,\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"p999\":%" PRIu64
         ",\"max\":%" PRIu64 "}}\n",
         run->window_verified, (double)run->window / 1e9, run->load.verified, (double)run->opened_in / 1e9, cpu, wait,
         own_cpu, own_wait, times->count, times->count ? (double)times->sum / (double)times->count : 0.0,
         histogram_at(times, 0.5), histogram_at(times, 0.99), histogram_at(times, 0.999), times->max);
}

static bool prepare(struct load *load) {
  static const struct work *const works[] = {&echo_work, &broadcast_work, &echo_work, &connect_work, &mixed_work};
  load->work = works[load->options.mode];
  if (getrandom(&load->random, sizeof load->random, 0) != sizeof load->random)
    return load_fail(load, "getrandom: %s", strerror(errno));
  load->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (load->epoll < 0) return load_fail(load, "epoll_create1: %s", strerror(errno));
  load->read_buffer = malloc(READ_SIZE);
  load->conns = calloc(load->options.connections, sizeof *load->conns);
  if (!load->read_buffer || !load->conns || !payload_init(&load->payload, load->options.kind, load->options.size))
    return load_fail(load, "out of memory");
  for (uint32_t i = 0; i < load->options.connections; i++) load->conns[i] = (struct conn){.index = i, .stream.fd = -1};
  if (load->options.tls && !(load->tls = stream_context())) return load_fail(load, "out of memory");
  if (load->options.deflate && !(load->deflate = deflate_create(load->options.size)))
    return load_fail(load, "out of memory");
  if (load->options.listen && !listen_begin(load)) return false;
  if (load->options.mode == LOAD_MIXED && !mixed_init(load)) return false;
  return load->options.mode != LOAD_BROADCAST || broadcast_init(load);
}

static void release(struct load *load) {
  for (uint32_t i = 0; load->conns && i < load->options.connections; i++) {
    conn_close(load, &load->conns[i]);
    conn_free(&load->conns[i]);
  }
  free(load->conns);
  stream_context_free(load->tls);
  deflate_free(load->deflate);
  if (load->listener >= 0) close(load->listener);
  free(load->read_buffer);
  payload_free(&load->payload);
  broadcast_free(load);
  mixed_free(load);
  if (load->epoll >= 0) close(load->epoll);
}

int main(int count, char **arguments) {
  struct run *run = calloc(1, sizeof *run);
  if (!run) return 1;
  run->load.epoll = run->load.listener = -1;
  int status = 2;
  if (options_parse(&run->load.options, count, arguments)) {
    status = prepare(&run->load) && run_loop(run) ? 0 : 1;
    if (status)
      fprintf(stderr, "%s\n", run->load.failure);
    else
      print_result(run);
    release(&run->load);
  }
  free(run);
  return status;
}
