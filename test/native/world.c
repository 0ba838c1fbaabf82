#include "world.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "life.h"
#include "lws/door.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/transport.h"
#include "out.h"
#include "peer.h"
#include "websocket/connection.h"

enum { WAIT_MS = 20000 };

bool world_in_core;

void world_fatal(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("cannot go on: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

void world_violate(world *w, const char *format, ...) {
  va_list args;
  if (w->violations++ > 0) return;
  va_start(args, format);
  vsnprintf(w->violation, sizeof w->violation, format, args);
  va_end(args);
}

bool world_under_valgrind(void) {
  const char *preload = getenv("LD_PRELOAD"); /* it comes this way */
  return preload && strstr(preload, "vgpreload");
}

bool world_is_slow(void) {
#ifdef __SANITIZE_ADDRESS__
  return true;
#else
  return world_under_valgrind();
#endif
}

int world_descriptors(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) world_fatal("/proc/self/fd is not there");
  while (readdir(folder)) count++;
  closedir(folder);
  return count - 3; /* itself, "." and ".." */
}

static void log_record(world *w, const lwsn_record *r) {
  if (w->event_count == w->event_capacity) {
    w->event_capacity = w->event_capacity ? w->event_capacity * 2 : 64;
    w->events = realloc(w->events, w->event_capacity * sizeof *w->events);
    if (!w->events) world_fatal("no memory for the log");
  }
  event *e = &w->events[w->event_count++];
  *e = (event){r->kind, {r->slot, r->generation}, r->detail, r->extra, NULL, 0};
  if (r->slab < 0) return;
  const lwsn_slab *slab = w->context->services.inbound.table[r->slab];
  if (!slab || r->offset > slab->size || r->length > slab->size - r->offset) {
    world_violate(w, "a record of kind %u refers to no slab, or beyond its end", r->kind);
    return;
  }
  e->size = r->length;
  e->data = malloc(e->size + 1);
  if (!e->data) world_fatal("no memory for the log");
  memcpy(e->data, slab->data + r->offset, e->size);
  e->data[e->size] = 0; /* so that text can be searched */
}

/* Input that waits is held, or has its turn; OpenSSL never has any. */
static void judge_input(world *w) {
  for (uint32_t i = 0; w->context && i < w->context->services.places_used; i++) {
    lwsn_server *server = w->context->services.places[i].server;
    for (lwsn_node *n = server ? server->transports.next : NULL; n && n != &server->transports; n = n->next) {
      const lwsn_transport *t = LWSN_CONTAINER(n, lwsn_transport, in_server);
      if (t->doomed) continue;
      bool awaited = !lwsn_list_empty(&t->in_stalled) || (t->watch && t->watch->held);
      if (t->backlog && !awaited) world_violate(w, "input waits, and nobody will take it");
      if (t->tls && lwsn_tls_has_input(t->tls)) world_violate(w, "decrypted input is left in OpenSSL");
    }
  }
}

static void on_batch(lwsn_context *context, void *data) {
  world *w = data;
  judge_input(w);
  const lwsn_record *records = (const lwsn_record *)context->services.inbound.ring->data;
  uint32_t count = context->services.inbound.count;
  bool in_core = world_in_core;
  world_in_core = false;
  w->batches++;
  uv_stop(&w->loop); /* a batch may come just before the loop sleeps, and world_step() must see it first */
  for (uint32_t i = 0; i < count && w->context; i++) {
    log_record(w, &records[i]);
    event e = w->events[w->event_count - 1];
    w->told[e.kind < 32 ? e.kind : 0]++;
    life_judge(w, &e);
    out_react(w, &e);
    if (w->react && w->context) w->react(w, &e);
  }
  world_in_core = in_core;
}

static void count_turn(uv_check_t *check) { ((world *)check->data)->turns++; }

void world_begin_bare(world *w) {
  memset(w, 0, sizeof *w);
  w->accept_flags = LWSN_CONNECTION_PONGS;
  /* libuv opens two descriptors for the whole process with its first loop */
  if (uv_loop_init(&w->loop) != 0 || uv_loop_close(&w->loop) != 0) world_fatal("no event loop");
  w->descriptors = world_descriptors();
  if (uv_loop_init(&w->loop) != 0) world_fatal("no event loop");
  lwsn_door_silence();
  uv_timer_init(&w->loop, &w->watchdog);
  uv_check_init(&w->loop, &w->counter);
  w->watchdog.data = w->counter.data = w;
  uv_check_start(&w->counter, count_turn);
  uv_unref((uv_handle_t *)&w->counter);
  clock_stop();
  const char *why;
  w->context = lwsn_context_create(&w->loop, on_batch, w, &why);
  if (!w->context) world_fatal("no context: %s", why);
}

lwsn_server_options world_options(void) {
  return (lwsn_server_options){
      .max_payload = 1024 * 1024,
      .max_backpressure = 1024 * 1024 * 1024,
      .handshake_timeout = 60000,
      .close_timeout = 60000,
      .keep_alive_timeout = 60000,
      .max_header_size = 4096,
  };
}

int world_listen(world *w, const lwsn_listen_options *options, lwsn_bound *bound) {
  return lwsn_listener_open(w->server, options, bound);
}

void world_begin(world *w, const lwsn_server_options *options) {
  world_begin_bare(w);
  lwsn_server_options standard = world_options();
  w->server = lwsn_server_create(&w->context->services, options ? options : &standard);
  if (!w->server) world_fatal("no server");
  lwsn_listen_options where = {.host = "127.0.0.1", .backlog = 511};
  int error = world_listen(w, &where, &w->bound);
  if (error) world_fatal("no listener: %s", uv_strerror(error));
}

static void on_destroyed(void *data) { ((world *)data)->gone = true; }

void world_destroy(world *w) {
  if (w->context) {
    lwsn_context_destroy(w->context, on_destroyed, w);
    w->context = NULL;
    w->server = NULL;
  }
  world_wait(w);
  while (!w->gone && world_step(w)) continue;
  if (!w->gone) world_violate(w, "the context did not go away");
}

bool world_end(world *w) {
  world_destroy(w);
  peer_close_all(w);
  uv_close((uv_handle_t *)&w->watchdog, NULL);
  uv_close((uv_handle_t *)&w->counter, NULL);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&w->loop) != 0) world_violate(w, "the loop has handles left");
  peer_free_all(w);
  world_forget(w);
  free(w->events);
  free(w->lives);
  int descriptors = world_descriptors();
  if (w->descriptors >= 0 && descriptors != w->descriptors)
    world_violate(w, "%d descriptors are open, %d were before", descriptors, w->descriptors);
  if (w->violations > 0) fprintf(stderr, "%u violations, the first: %s\n", w->violations, w->violation);
  return w->violations == 0;
}

static void on_watchdog(uv_timer_t *timer) {
  ((world *)timer->data)->timed_out = true;
  uv_stop(timer->loop); /* timers come before the poll, which would sleep on */
}

void world_wait(world *w) {
  w->timed_out = false;
  uv_update_time(&w->loop);
  uv_timer_start(&w->watchdog, on_watchdog, WAIT_MS, 0);
}

static void turn(world *w, uv_run_mode mode) {
  clock_turn();
  world_in_core = true;
  uv_run(&w->loop, mode);
  world_in_core = false;
  clock_turned();
  judge_input(w);
}

bool world_step(world *w) {
  turn(w, UV_RUN_ONCE);
  return !w->timed_out;
}

void world_run(world *w, unsigned ms) {
  w->timed_out = false;
  uv_update_time(&w->loop);
  uv_timer_start(&w->watchdog, on_watchdog, ms, 0);
  while (!w->timed_out) turn(w, UV_RUN_ONCE);
}

void world_pass(world *w, unsigned ms) {
  unsigned step = ms / 64 < LWSN_WHEEL_TICK_MS ? LWSN_WHEEL_TICK_MS : ms / 64;
  for (unsigned passed = 0; passed < ms; passed += step) {
    clock_sleep(ms - passed < step ? ms - passed : step);
    /* what fires, what it causes at the peer, and what that causes */
    for (int i = 0; i < 3; i++) turn(w, UV_RUN_NOWAIT);
  }
}

unsigned long world_told(const world *w, lwsn_record_kind kind) { return w->told[kind]; }

const event *world_last(const world *w, lwsn_record_kind kind) {
  for (size_t i = w->event_count; i > 0; i--)
    if (w->events[i - 1].kind == kind) return &w->events[i - 1];
  return NULL;
}

const event *world_last_of(const world *w, lwsn_record_kind kind, lwsn_handle handle) {
  for (size_t i = w->event_count; i > 0; i--) {
    const event *e = &w->events[i - 1];
    if (e->kind == kind && e->handle.slot == handle.slot && e->handle.generation == handle.generation) return e;
  }
  return NULL;
}

const event *world_nth(const world *w, lwsn_record_kind kind, size_t index) {
  for (size_t i = 0; i < w->event_count; i++)
    if (w->events[i].kind == kind && index-- == 0) return &w->events[i];
  return NULL;
}

void world_forget(world *w) {
  for (size_t i = 0; i < w->event_count; i++) free(w->events[i].data);
  w->event_count = 0;
}
