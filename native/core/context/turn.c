#include "context/turn.h"

#include "context/flush.h"
#include "net/input.h"
#include "websocket/connection.h"

enum { BATCHES_PER_TURN = 4 };

/*
 * Who has waited longest goes first, and as long as there is room: whoever is left over keeps its place, and who
 * stalls again goes to the end. So everybody has its turn, however many flood.
 */
static void resume_stalled(lwsn_services *s) {
  lwsn_node end; /* behind the present ones: those that stall again wait for the next batch */
  lwsn_list_init(&end);
  lwsn_list_append(&s->stalled, &end);
  while (s->stalled.next != &end && lwsn_inbound_has_room(&s->inbound)) {
    lwsn_node *node = s->stalled.next;
    lwsn_list_remove(node);
    lwsn_transport *t = LWSN_CONTAINER(node, lwsn_transport, in_stalled);
    if (!t->doomed) lwsn_transport_visit(t);
  }
  lwsn_list_remove(&end);
}

/* Behind the flush: what handlers of the last batch and their promises sent is on its way. */
static void tell_leaving(lwsn_services *s) {
  for (lwsn_node *node = s->leaving.next, *next; node != &s->leaving; node = next) {
    next = node->next;
    lwsn_connection *connection = LWSN_CONTAINER(node, lwsn_transport, in_stalled)->connection;
    if (!connection || lwsn_connection_tell_closing(connection)) lwsn_list_remove(node);
  }
}

static void deliver(lwsn_context *c) {
  lwsn_services *s = &c->services;
  /* a slot given back from here on may have its last record in the next batch */
  uint32_t rested = s->inbound.overflow_count == 0 ? s->registry.resting_count : 0;
  c->in_batch = true;
  lwsn_inbound_deliver(&s->inbound);
  lwsn_inbound_stir(&s->inbound);
  c->on_batch(c, c->on_batch_data);
  lwsn_inbound_quiet(&s->inbound);
  c->in_batch = false;
  lwsn_inbound_settle(&s->inbound);
  lwsn_registry_settle(&s->registry, rested);
}

void lwsn_context_turn(lwsn_context *c) {
  lwsn_services *s = &c->services;
  if (s->destroying || c->in_batch) return;
  for (int i = 0;; i++) {
    lwsn_outbound_flush(c); /* first: a pause or close holds back what would be parsed next */
    lwsn_deflate_shared_trim(s->deflate);
    if (!lwsn_list_empty(&s->leaving)) tell_leaving(s);
    if (!lwsn_list_empty(&s->stalled)) {
      resume_stalled(s);
      lwsn_transport_reap(s);
    }
    bool left = s->inbound.count > 0 || !lwsn_list_empty(&s->stalled);
    if (s->inbound.count == 0)
      lwsn_registry_settle(&s->registry, s->registry.resting_count); /* no record waits for any slot */
    if (!left || i == BATCHES_PER_TURN) {
      lwsn_loop_keep_awake(&s->loop, left);
      return;
    }
    if (s->inbound.count > 0) deliver(c);
    if (s->destroying) return;
  }
}

void lwsn_turn_before_poll(void *context) {
  lwsn_context *c = context;
  lwsn_services *s = &c->services;
  if (s->destroying || !s->door) return;
  if (c->on_turn) c->on_turn(c->on_batch_data);
  lwsn_inbound_quiet(&s->inbound);
  int64_t door_wait = lwsn_door_serve(s->door);
  lwsn_transport_reap(s);
  lwsn_context_turn(c);
  lwsn_inbound_stir(&s->inbound);
  if (s->destroying) return;
  lwsn_loop_worked(&s->loop);
  int64_t wait = lwsn_wheel_next(&s->wheel, lwsn_now(s));
  if (door_wait >= 0 && (wait < 0 || door_wait < wait)) wait = door_wait;
  lwsn_loop_sleep(&s->loop, wait);
}

/*
 * Timers run after the sockets were read: after a handler that blocked the loop
 * for long, what arrived meanwhile counts before anyone is called silent.
 */
void lwsn_turn_after_poll(void *context) {
  lwsn_context *c = context;
  lwsn_services *s = &c->services;
  if (s->destroying || !s->door) return;
  lwsn_inbound_quiet(&s->inbound);
  lwsn_loop_woke(&s->loop);
  lwsn_wheel_advance(&s->wheel, lwsn_now(s));
  lwsn_transport_reap(s);
  lwsn_context_turn(c);
  lwsn_inbound_stir(&s->inbound);
  lwsn_loop_settle(&s->loop);
}
