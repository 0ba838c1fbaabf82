#include "net/transport.h"

#include <stdlib.h>
#include <string.h>

#include "net/server.h"

void lwsn_transport_tell_last(lwsn_transport *t, lwsn_record *record, const void *payload, size_t size) {
  lwsn_inbound *in = &t->services->inbound;
  if (!t->promised || t->services->destroying) return;
  t->promised = false;
  uint8_t *at = lwsn_inbound_reserve(in, record, size, LWSN_KEEP_BATCH);
  if (at && size > 0) memcpy(at, payload, size);
  if (!at) record->slab = -1;
  lwsn_inbound_push_last(in, record);
}

void lwsn_transport_kill(lwsn_transport *t) {
  if (t->doomed) return;
  t->doomed = true;
  if (t->speech->is_cut(t)) lwsn_wsi_reset(t->wsi);
  lwsn_timer_cancel(&t->services->wheel, &t->timer);
  lwsn_list_append(&t->services->doomed, &t->in_doomed);
}

void lwsn_transport_reap(lwsn_services *services) {
  while (!lwsn_list_empty(&services->doomed)) {
    lwsn_transport *t = LWSN_CONTAINER(services->doomed.next, lwsn_transport, in_doomed);
    lwsn_list_remove(&t->in_doomed);
    lwsn_wsi_kill(t->wsi); /* ends in `destroyed` */
  }
}

void lwsn_transport_arm(lwsn_transport *t, uint64_t ms, void (*fire)(lwsn_timer *)) {
  lwsn_timer_cancel(&t->services->wheel, &t->timer);
  if (ms == 0 || t->doomed) return;
  t->timer.fire = fire;
  t->looked = false;
  lwsn_timer_arm(&t->services->wheel, &t->timer, lwsn_loop_present(&t->services->loop) + ms);
}

bool lwsn_transport_is_heard(lwsn_transport *t, void (*fire)(lwsn_timer *)) {
  if (t->looked || t->doomed || t->input_ended) return false;
  ssize_t n = lwsn_wsi_peek(t->wsi);
  if (n == 0 || n == -2) return false;
  lwsn_transport_arm(t, 1, fire);
  t->looked = true;
  return true;
}

bool lwsn_transport_is_taking(lwsn_transport *t, void (*fire)(lwsn_timer *)) {
  uint32_t limit = t->server->options.close_timeout;
  uint64_t silence = lwsn_now(t->services) - t->last_output;
  if (!t->queue.first || silence >= limit) return false;
  lwsn_transport_arm(t, limit - silence, fire);
  return true;
}

void lwsn_transport_update_hold(lwsn_transport *t) {
  if (!t->watch || t->doomed) return;
  bool held = false;
  if (!t->ending) {
    held = t->speech->holds(t);
    if (t->backlog && !held) lwsn_transport_stall(t);
  }
  lwsn_watch_hold(t->watch, held || t->input_ended);
}

void lwsn_transport_pause(lwsn_transport *t, bool paused) {
  /* what we did not read was not the peer's silence */
  if (t->paused && !paused) t->last_input = lwsn_now(t->services);
  t->paused = paused;
  lwsn_transport_update_hold(t);
}

static bool keep(lwsn_transport *t, const uint8_t *data, size_t size) {
  size_t before = t->backlog ? t->backlog_size : 0;
  uint8_t *grown = realloc(t->backlog, before + size);
  if (!grown) return false;
  memcpy(grown + before, data, size);
  if (!t->backlog) t->backlog_plain = 0;
  t->backlog = grown;
  t->backlog_size = (uint32_t)(before + size);
  return true;
}

bool lwsn_transport_keep(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (!keep(t, data, size)) return false;
  t->backlog_plain = t->backlog_size;
  lwsn_transport_update_hold(t);
  return true;
}

void lwsn_transport_keep_encrypted(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (keep(t, data, size))
    lwsn_transport_update_hold(t);
  else
    lwsn_transport_failed(t, "no memory for input");
}

void lwsn_transport_leave(lwsn_transport *t) {
  lwsn_list_remove(&t->in_stalled);
  lwsn_list_append(&t->services->leaving, &t->in_stalled);
}

void lwsn_transport_stall(lwsn_transport *t) {
  if (lwsn_list_empty(&t->in_stalled)) lwsn_list_append(&t->services->stalled, &t->in_stalled);
  lwsn_loop_keep_awake(&t->services->loop, true);
}

void lwsn_transport_failed(lwsn_transport *t, const char *why) {
  t->why = why;
  t->speech->drop(t, why);
}

static void take_nothing(lwsn_transport *t, const uint8_t *data, size_t size) {
  (void)t;
  (void)data;
  (void)size;
}

static bool never(const lwsn_transport *t) {
  (void)t;
  return false;
}

static uint8_t *nowhere(const lwsn_transport *t, size_t piece, size_t *room) {
  (void)t;
  (void)piece;
  (void)room;
  return NULL;
}

static void nothing(lwsn_transport *t) { (void)t; }

static void drop(lwsn_transport *t, const char *why) {
  (void)why;
  lwsn_transport_kill(t);
}

const lwsn_speech lwsn_silence = {
    .input = take_nothing,
    .wants_input = never,
    .holds = never,
    .land = nowhere,
    .resume = nothing,
    .begin = nothing,
    .secured = nothing,
    .drained = nothing,
    .peer_finished = nothing,
    .peer_left = nothing,
    .lost = lwsn_transport_kill,
    .drop = drop,
    .drain = nothing,
    .is_cut = never,
    .input_used = nothing,
};
