#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "net/ending.h"
#include "net/server.h"

lwsn_record lwsn_exchange_record(const lwsn_exchange *x, lwsn_record_kind kind, uint32_t detail) {
  lwsn_handle handle = x->transport->handle;
  return (lwsn_record){
      .kind = kind, .slot = handle.slot, .generation = handle.generation, .slab = -1, .detail = detail};
}

void lwsn_exchange_tell(lwsn_exchange *x, lwsn_record_kind kind, uint32_t detail, const void *payload, size_t size) {
  lwsn_transport *t = x->transport;
  lwsn_inbound *in = &t->services->inbound;
  if (t->services->destroying) return;
  lwsn_record record = lwsn_exchange_record(x, kind, detail);
  uint8_t *at = lwsn_inbound_reserve(in, &record, size, LWSN_KEEP_BATCH);
  if (at && size > 0) memcpy(at, payload, size);
  if (!at || !lwsn_inbound_push(in, &record)) lwsn_transport_kill(t); /* its end tells enough */
}

void lwsn_exchange_tell_gone(lwsn_exchange *x, enum lwsn_gone how) {
  if (!x->told) return;
  x->told = false;
  const char *why = x->transport->why;
  lwsn_exchange_tell(x, LWSN_RECORD_GONE, how, why, why ? strlen(why) : 0);
}

void lwsn_exchange_tell_cut_answer(lwsn_exchange *x) {
  if (x->client && x->state == LWSN_EXCHANGE_CALLING && x->head_size > 0 && !x->bad_answer)
    lwsn_exchange_tell(x, LWSN_RECORD_RESPONSE, 1, x->head, x->head_size);
  x->head_size = 0;
}

void lwsn_exchange_tell_end(lwsn_exchange *x) {
  const char *why = x->transport->why;
  lwsn_record record = lwsn_exchange_record(x, LWSN_RECORD_GONE, x->bad_answer ? LWSN_GONE_ANSWER : LWSN_GONE_PEER);
  record.extra = (uint32_t)x->transport->error;
  lwsn_transport_tell_last(x->transport, &record, why, why ? strlen(why) : 0);
}

void lwsn_exchange_free_head(lwsn_exchange *x) {
  free(x->head);
  x->head = NULL;
  x->head_size = x->head_capacity = 0;
  x->head_resume = 0;
  x->scan = (lwsn_http_scan){0};
}

bool lwsn_exchange_wants_input(const lwsn_exchange *x) {
  const lwsn_transport *t = x->transport;
  if (t->doomed || t->ending || t->paused) return false;
  if (x->state == LWSN_EXCHANGE_HEAD || x->state == LWSN_EXCHANGE_CALLING) return true;
  bool body = x->state == LWSN_EXCHANGE_BODY || x->state == LWSN_EXCHANGE_ANSWERED;
  return body && lwsn_inbound_has_room(&t->services->inbound);
}

void lwsn_exchange_closed(lwsn_exchange *x) {
  if (!x->transport) return;
  lwsn_exchange_tell_cut_answer(x);
  if (x->told_once) lwsn_exchange_tell_end(x);
  lwsn_exchange_free_head(x);
  x->transport->exchange = NULL;
  x->transport->speech = &lwsn_silence;
  x->transport = NULL;
}

static void keep_alive_timed_out(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  if (lwsn_transport_is_heard(t, keep_alive_timed_out)) return;
  lwsn_transport_end(LWSN_CONTAINER(timer, lwsn_transport, timer));
}

void lwsn_exchange_input_used(lwsn_exchange *x) {
  lwsn_transport *t = x->transport;
  if (t->ending || t->doomed || x->state == LWSN_EXCHANGE_BUSY) return;
  bool cut = x->state == LWSN_EXCHANGE_BODY;
  if (cut) lwsn_exchange_tell_gone(x, LWSN_GONE_PEER);
  /* an answer that ends with the network connection must not look whole */
  if (x->client || x->state == LWSN_EXCHANGE_UPGRADE || (cut && x->until_end))
    lwsn_transport_kill(t);
  else
    lwsn_transport_end(t);
}

void lwsn_exchange_finish(lwsn_exchange *x, bool keep_alive) {
  lwsn_transport *t = x->transport;
  if (!x->told || t->ending) return;
  x->told = false;
  t->paused = false;
  if (x->client) {
    lwsn_transport_kill(t); /* nothing is to be read or asked any more */
    return;
  }
  if (!keep_alive || !x->keep_alive || !x->body_done || t->server->retiring) {
    lwsn_transport_end(t);
    return;
  }
  x->state = LWSN_EXCHANGE_HEAD;
  lwsn_transport_arm(t, t->server->options.keep_alive_timeout, keep_alive_timed_out);
  if (t->input_ended && !t->backlog) lwsn_exchange_input_used(x);
  lwsn_transport_update_hold(t);
}

void lwsn_exchange_until_end(lwsn_exchange *x) { x->until_end = true; }

void lwsn_exchange_written(lwsn_exchange *x) {
  x->begun = true;
  if (!x->transport->queue.first) x->written = lwsn_now(x->transport->services);
}
