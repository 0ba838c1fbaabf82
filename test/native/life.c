#include "life.h"

#include <stdlib.h>
#include <string.h>

typedef enum phase { NEW, EXCHANGE, HELD, CALLING, ANSWERED, OPEN, CLOSING, CLOSED, GONE } phase;

static const char *const phase_names[] = {"new",  "in an exchange", "held",   "calling", "answered",
                                          "open", "closing",        "closed", "gone"};

struct life {
  uint32_t generation;
  phase phase;
  bool answered;
  uint32_t adopted; /* the generation that was */
};

static struct life *life_of(world *w, uint32_t slot) {
  if (slot >= w->life_count) {
    size_t count = w->life_count ? w->life_count : 64;
    while (count <= slot) count *= 2;
    w->lives = realloc(w->lives, count * sizeof *w->lives);
    if (!w->lives) world_fatal("no memory for the lives");
    memset(w->lives + w->life_count, 0, (count - w->life_count) * sizeof *w->lives);
    w->life_count = count;
  }
  return &w->lives[slot];
}

static bool is_open(phase now) { return now == OPEN || now == CLOSING; }

/* The phase that follows, or -1. */
static int next_phase(const struct life *life, const event *e) {
  phase now = life->phase;
  switch (e->kind) {
    case LWSN_RECORD_REQUEST:
      if (now != NEW && (!life->answered || (now != EXCHANGE && now != HELD))) return -1;
      return e->detail & LWSN_REQUEST_UPGRADE ? HELD : EXCHANGE;
    case LWSN_RECORD_CONNECTED: return now == NEW ? CALLING : -1;
    case LWSN_RECORD_RESPONSE: return now == CALLING ? ANSWERED : -1;
    case LWSN_RECORD_BODY: return now == EXCHANGE || now == ANSWERED ? (int)now : -1;
    case LWSN_RECORD_FLUSHED: return now == NEW || is_open(now) || now == CLOSED || now == GONE ? -1 : (int)now;
    case LWSN_RECORD_GONE:
      return (now == NEW && life->adopted != life->generation) || is_open(now) || now == CLOSED ? -1 : GONE;
    case LWSN_RECORD_OPEN:
      /* with a payload it tells of a connection that the core accepted alone (introduction.h) */
      if (e->size > 0) return now == NEW ? OPEN : -1;
      return now == HELD || now == ANSWERED ? OPEN : -1;
    case LWSN_RECORD_TEXT:
    case LWSN_RECORD_BINARY:
    case LWSN_RECORD_FRAGMENT:
    case LWSN_RECORD_PONG: return now == OPEN ? OPEN : -1;
    case LWSN_RECORD_WRITABLE: return is_open(now) ? (int)now : -1; /* the answer of CLOSING may be put off */
    case LWSN_RECORD_CLOSING: return now == OPEN ? CLOSING : -1;
    case LWSN_RECORD_CLOSED: return is_open(now) ? CLOSED : -1;
    default: return -1;
  }
}

void life_judge(world *w, const event *e) {
  if (e->kind == LWSN_RECORD_LISTENER || e->kind == LWSN_RECORD_EMPTY) return;
  struct life *life = life_of(w, e->handle.slot);
  if (e->handle.generation != life->generation) {
    if (e->handle.generation < life->generation)
      world_violate(w, "kind %u came for a handle that died", e->kind);
    else if (life->phase != NEW && life->phase != CLOSED && life->phase != GONE)
      world_violate(w, "a slot has a new tenant while its last one is %s", phase_names[life->phase]);
    life->generation = e->handle.generation;
    life->phase = NEW;
  }
  int next = next_phase(life, e);
  if (e->kind == LWSN_RECORD_REQUEST) life->answered = false;
  if (next < 0)
    world_violate(w, "kind %u came for a transport that is %s", e->kind, phase_names[life->phase]);
  else
    life->phase = (phase)next;
}

void life_adopted(world *w, lwsn_handle handle) { life_of(w, handle.slot)->adopted = handle.generation; }

void life_answered(world *w, lwsn_handle handle) {
  if (handle.slot >= w->life_count) return;
  struct life *life = &w->lives[handle.slot];
  if (life->generation == handle.generation) life->answered = true;
}
