#include "send.h"

#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "server.h"
#include "tls.h"
#include "transport.h"
#include "wsi.h"

static void publish(lwsn_transport *t) {
  lwsn_registry_set_queued(&t->context->registry, t->handle.slot, (double)t->queue.bytes);
}

static bool enqueue(lwsn_transport *t, const struct iovec *parts, int count, size_t skip) {
  size_t total = 0;
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  total -= skip;
  if (total == 0) return true;
  lwsn_chunk *chunk = malloc(sizeof *chunk + total);
  if (!chunk) return false;
  chunk->next = NULL;
  chunk->size = total;
  chunk->done = 0;
  uint8_t *at = chunk->data;
  for (int i = 0; i < count; i++) {
    size_t length = parts[i].iov_len;
    size_t from = skip < length ? skip : length;
    skip -= from;
    memcpy(at, (const uint8_t *)parts[i].iov_base + from, length - from);
    at += length - from;
  }
  if (t->queue.last)
    t->queue.last->next = chunk;
  else
    t->queue.first = chunk;
  t->queue.last = chunk;
  t->queue.bytes += total;
  publish(t);
  return true;
}

bool lwsn_send(lwsn_transport *t, const struct iovec *parts, int count) {
  return t->tls ? lwsn_tls_send(t, parts, count) : lwsn_send_raw(t, parts, count);
}

bool lwsn_send_raw(lwsn_transport *t, const struct iovec *parts, int count) {
  if (t->doomed) return false;
  size_t sent = 0;
  bool was_empty = t->queue.first == NULL;
  if (was_empty) {
    ssize_t n = lwsn_wsi_write(t->wsi, parts, count);
    if (n < 0) {
      lwsn_transport_kill(t);
      return false;
    }
    sent = (size_t)n;
    t->server->stats.bytes_sent += sent;
  }
  if (!enqueue(t, parts, count, sent)) {
    lwsn_transport_kill(t);
    return false;
  }
  /* armed only now: on the hot path the socket takes everything (facts 4, four epoll_ctl less) */
  if (was_empty && t->queue.first) {
    t->last_output = lwsn_loop_now(t->context); /* from here on it is the peer who is waited for */
    lws_callback_on_writable(t->wsi);
  }
  return true;
}

static void consume(lwsn_transport *t, size_t sent) {
  t->server->stats.bytes_sent += sent;
  t->queue.bytes -= sent;
  while (t->queue.first) {
    lwsn_chunk *chunk = t->queue.first;
    size_t left = chunk->size - chunk->done;
    if (sent < left) {
      chunk->done += sent;
      break;
    }
    sent -= left;
    t->queue.first = chunk->next;
    if (!t->queue.first) t->queue.last = NULL;
    free(chunk);
  }
  publish(t);
}

bool lwsn_send_pending(lwsn_transport *t) {
  bool due = t->queue.first || t->wants_writable;
  while (t->queue.first && !t->doomed) {
    struct iovec parts[LWSN_PARTS_MAX];
    int count = 0;
    for (lwsn_chunk *c = t->queue.first; c && count < LWSN_PARTS_MAX; c = c->next) {
      parts[count].iov_base = c->data + c->done;
      parts[count++].iov_len = c->size - c->done;
    }
    ssize_t n = lwsn_wsi_write(t->wsi, parts, count);
    if (n < 0) {
      lwsn_transport_kill(t);
      return false;
    }
    if (n == 0) {
      lws_callback_on_writable(t->wsi);
      return true;
    }
    t->last_output = lwsn_loop_now(t->context);
    consume(t, (size_t)n);
  }
  if (t->doomed) return false;
  if (due) lwsn_transport_drained(t);
  return true;
}

void lwsn_queue_clear(lwsn_transport *t) {
  while (t->queue.first) {
    lwsn_chunk *chunk = t->queue.first;
    t->queue.first = chunk->next;
    free(chunk);
  }
  t->queue.last = NULL;
  t->queue.bytes = 0;
}
