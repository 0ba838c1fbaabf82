#include "http/reading.h"

#include <stdlib.h>
#include <string.h>

#include "http/patience.h"
#include "http/refusal.h"
#include "net/introduction.h"
#include "net/server.h"
#include "wire/answer.h"
#include "wire/http_head.h"

enum { HEAD_MIN = 1024 };

static void handshake_timed_out(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  lwsn_exchange *x = t->exchange;
  if (!x || lwsn_transport_is_heard(t, handshake_timed_out)) return;
  if (x->client) {
    t->why = "the handshake took longer than handshakeTimeout";
    lwsn_exchange_tell_cut_answer(x);
    lwsn_exchange_tell_gone(x, LWSN_GONE_TIMEOUT);
    lwsn_transport_kill(t);
  } else if (x->state == LWSN_EXCHANGE_UPGRADE) {
    lwsn_exchange_tell_gone(x, LWSN_GONE_TIMEOUT);
    lwsn_refuse(x, 503, "the upgrade was not decided in time");
  } else if (x->head_size > 0) {
    lwsn_refuse(x, 408, "the request head did not arrive in time");
  } else {
    lwsn_transport_kill(t); /* nothing was asked, nothing is answered */
  }
}

void lwsn_reading_await(lwsn_exchange *x) {
  lwsn_transport *t = x->transport;
  lwsn_transport_arm(t, t->server->options.handshake_timeout, handshake_timed_out);
}

static bool head_room(lwsn_exchange *x, size_t size) {
  size_t needed = x->head_size + size;
  if (x->head && needed <= x->head_capacity) return true;
  size_t capacity = x->head_capacity ? x->head_capacity : HEAD_MIN;
  while (capacity < needed) capacity *= 2;
  char *grown = realloc(x->head, capacity);
  if (!grown) return false;
  x->head = grown;
  x->head_capacity = (uint32_t)capacity;
  return true;
}

static void tell_request(lwsn_exchange *x, const lwsn_http_head *head, size_t size) {
  lwsn_transport *t = x->transport;
  bool body = head->chunked || head->content_length > 0;
  uint32_t flags = (head->upgrade_websocket ? LWSN_REQUEST_UPGRADE : 0) | (body ? LWSN_REQUEST_BODY : 0) |
                   (head->keep_alive && !t->server->retiring ? LWSN_REQUEST_KEEP_ALIVE : 0) |
                   (head->head_method ? LWSN_REQUEST_HEAD : 0) | (head->minor == 0 ? LWSN_REQUEST_HTTP10 : 0) |
                   (head->expect_continue ? LWSN_REQUEST_EXPECT_CONTINUE : 0) | (t->tls ? LWSN_REQUEST_SECURE : 0) |
                   (head->ws_protocol_count ? LWSN_REQUEST_PROTOCOLS : 0) |
                   (head->ws_extensions_count ? LWSN_REQUEST_EXTENSIONS : 0) |
                   (head->origin.p ? LWSN_REQUEST_ORIGIN : 0) | (t->proxy_tls ? LWSN_REQUEST_PROXY_TLS : 0);
  uint32_t high = (uint32_t)(t->server->id >> 32);
  lwsn_record record = lwsn_exchange_record(x, LWSN_RECORD_REQUEST, flags | high << LWSN_REQUEST_SERVER);
  record.extra = (uint32_t)t->server->id;
  lwsn_request_prefix prefix = {t->peer};
  uint8_t *at = lwsn_inbound_reserve(&t->services->inbound, &record, sizeof prefix + size, LWSN_KEEP_BATCH);
  if (!at) {
    lwsn_refuse(x, 503, "out of memory");
    return;
  }
  memcpy(at, &prefix, sizeof prefix);
  memcpy(at + sizeof prefix, x->head, size);
  if (!lwsn_inbound_push(&t->services->inbound, &record)) {
    lwsn_refuse(x, 503, "out of memory");
    return;
  }
  x->told = x->told_once = true;
  x->body_done = !body;
  x->begun = x->until_end = false;
  x->keep_alive = (flags & LWSN_REQUEST_KEEP_ALIVE) != 0;
  t->server->stats.requests++;
}

/* A transport that the other side knows already, and TLS, whose facts it would ask for, are told as they come. */
static bool decides_alone(const lwsn_exchange *x) {
  const lwsn_transport *t = x->transport;
  return t->server->options.accepts_alone && !t->server->retiring && !x->told_once && !t->tls && !t->proxy_tls;
}

static void keep_alone(lwsn_exchange *x, size_t size) {
  lwsn_transport *t = x->transport;
  if (!lwsn_introduction_keep(t, x->head, size)) {
    lwsn_refuse(x, 503, "out of memory");
    return;
  }
  t->server->stats.requests++;
  lwsn_transport_stall(t); /* lws is on the stack: it is accepted with what else waits for the turn's end */
}

static void take_head(lwsn_exchange *x, size_t size) {
  lwsn_transport *t = x->transport;
  lwsn_http_head head;
  const char *why = "";
  int status = lwsn_http_head_parse(x->head, size, &head, &why);
  x->head_method = head.head_method;
  if (status == 0 && head.upgrade_websocket) status = lwsn_http_upgrade_check(&head, &why);
  if (status != 0) {
    lwsn_refuse(x, status, why);
    return;
  }
  if (head.upgrade_websocket && decides_alone(x))
    keep_alone(x, size);
  else
    tell_request(x, &head, size);
  if (t->doomed || t->ending) return;
  if (head.upgrade_websocket) {
    /* the timer of the head goes on: head and decision share handshakeTimeout */
    memcpy(x->key, head.ws_key.p, sizeof x->key);
    x->state = LWSN_EXCHANGE_UPGRADE;
  } else {
    x->state = x->body_done ? LWSN_EXCHANGE_BUSY : LWSN_EXCHANGE_BODY;
    lwsn_http_body_begin(&x->body, head.content_length, head.chunked);
    t->paused = !x->body_done; /* until the handler wants the body */
    lwsn_patience_begin(x);
  }
}

/* The answer's head goes to the other side as it is: it knows what it asked for. */
static void take_answer(lwsn_exchange *x, size_t size) {
  if (lwsn_answer_is_interim(x->head, size)) return;
  x->state = LWSN_EXCHANGE_ANSWERED;
  x->transport->paused = true; /* until the 101 is accepted, or the body is wanted */
  lwsn_exchange_tell(x, LWSN_RECORD_RESPONSE, 0, x->head, size);
}

static void answer_failed(lwsn_exchange *x, const char *why) {
  x->bad_answer = true;
  lwsn_transport_failed(x->transport, why);
}

static void head_failed(lwsn_exchange *x, const char *why_answer, int status, const char *why_request) {
  if (x->client)
    answer_failed(x, why_answer);
  else
    lwsn_refuse(x, status, why_request);
}

/* Returns bytes used. */
static size_t input_head(lwsn_exchange *x, const uint8_t *data, size_t size) {
  lwsn_transport *t = x->transport;
  uint32_t limit = t->server->options.max_header_size;
  uint32_t before = x->head_size;
  if (before == 0 && !x->client && t->timer.fire != handshake_timed_out) lwsn_reading_await(x);
  /* one byte over the limit is enough to know */
  size_t take = size < (size_t)limit + 1 - before ? size : (size_t)limit + 1 - before;
  if (!head_room(x, take)) {
    head_failed(x, "there is no memory for its head", 503, "out of memory");
    return size;
  }
  memcpy(x->head + before, data, take);
  x->head_size += (uint32_t)take;
  size_t end = lwsn_http_head_end(x->head, x->head_size, &x->head_resume);
  if (end == 0 || end > limit) {
    const char *why = x->client ? lwsn_answer_wrong(x->head, x->head_size, before) : NULL;
    if (why)
      answer_failed(x, why);
    else if (end > limit || x->head_size > limit)
      head_failed(x, "its head is larger than maxHeaderSize", 431, "the request head is larger than maxHeaderSize");
    else if (!x->client && !lwsn_http_scan_more(&x->scan, x->head, x->head_size))
      lwsn_refuse(x, 400, "what came is no HTTP/1.1 request");
    return take;
  }
  if (x->client)
    take_answer(x, end);
  else
    take_head(x, end);
  lwsn_exchange_free_head(x);
  return end - before;
}

static size_t input_body(lwsn_exchange *x, const uint8_t *data, size_t size) {
  size_t used = 0;
  lwsn_slice piece = {NULL, 0};
  int state = lwsn_http_body_feed(&x->body, (const char *)data, size, &used, &piece);
  if (state < 0) {
    lwsn_exchange_tell_gone(x, LWSN_GONE_BODY);
    if (x->begun)
      lwsn_transport_kill(x->transport); /* a second response inside the first would be worse than none */
    else
      lwsn_refuse(x, 400, "the request body is malformed");
    return size;
  }
  if (piece.n > 0 || state == 1) lwsn_exchange_tell(x, LWSN_RECORD_BODY, state == 1, piece.p, piece.n);
  if (state == 1) {
    x->body_done = true;
    x->transport->paused = false;
    x->state = LWSN_EXCHANGE_BUSY;
  }
  return used;
}

/* The body of a refusal, as it comes: the other side decodes and bounds it. */
static size_t input_answer(lwsn_exchange *x, const uint8_t *data, size_t size) {
  lwsn_exchange_tell(x, LWSN_RECORD_BODY, 0, data, size);
  return size;
}

static void consume(lwsn_exchange *x, const uint8_t *data, size_t size) {
  lwsn_transport *t = x->transport;
  size_t used = 0;
  while (used < size && lwsn_exchange_wants_input(x)) {
    if (x->state == LWSN_EXCHANGE_HEAD || x->state == LWSN_EXCHANGE_CALLING)
      used += input_head(x, data + used, size - used);
    else if (x->state == LWSN_EXCHANGE_ANSWERED)
      used += input_answer(x, data + used, size - used);
    else
      used += input_body(x, data + used, size - used);
  }
  if (t->ending || t->doomed) return;
  if (used < size && !lwsn_transport_keep(t, data + used, size - used)) {
    lwsn_transport_kill(t);
    return;
  }
  lwsn_transport_update_hold(t);
}

void lwsn_reading_input(lwsn_exchange *x, const uint8_t *data, size_t size) {
  lwsn_transport *t = x->transport;
  if (t->backlog) {
    if (!lwsn_transport_keep(t, data, size)) lwsn_transport_kill(t);
    return;
  }
  consume(x, data, size);
}
