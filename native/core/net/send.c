#include "net/send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "context/context.h"
#include "lws/wsi.h"
#include "net/server.h"
#include "net/tls.h"
#include "net/transport.h"

enum { SHARED_MIN = 512 };

static void show_queue(lwsn_transport *t) {
  lwsn_registry_set_queued(&t->context->registry, t->handle.slot, (double)t->queue.bytes);
}

static void append(lwsn_transport *t, lwsn_chunk *chunk) {
  chunk->next = NULL;
  chunk->done = 0;
  if (t->queue.last)
    t->queue.last->next = chunk;
  else
    t->queue.first = chunk;
  t->queue.last = chunk;
  t->queue.bytes += chunk->size;
}

static bool keep_shared(lwsn_transport *t, lwsn_shared_frame *frame, const uint8_t *data, size_t size) {
  lwsn_chunk *chunk = malloc(sizeof *chunk);
  if (!chunk) return false;
  lwsn_shared_frame_ref(frame);
  chunk->shared = frame;
  chunk->data = data;
  chunk->size = size;
  append(t, chunk);
  return true;
}

/* Copies parts into one chunk, without the first `skip` bytes. */
static bool keep_copy(lwsn_transport *t, const struct iovec *parts, int count, size_t skip) {
  size_t total = 0;
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  total -= skip;
  if (total == 0) return true;
  lwsn_chunk *chunk = malloc(sizeof *chunk + total);
  if (!chunk) return false;
  uint8_t *at = (uint8_t *)(chunk + 1);
  chunk->shared = NULL;
  chunk->data = at;
  chunk->size = total;
  for (int i = 0; i < count; i++) {
    size_t length = parts[i].iov_len;
    size_t from = skip < length ? skip : length;
    skip -= from;
    memcpy(at, (const uint8_t *)parts[i].iov_base + from, length - from);
    at += length - from;
  }
  append(t, chunk);
  return true;
}

/* A short rest is cheaper copied, together with its neighbours. */
static bool is_shared(const struct iovec *part, lwsn_shared_frame *const *owners, int i) {
  return owners && owners[i] && part->iov_len > SHARED_MIN;
}

/* What is behind the first `sent` bytes waits for the socket. */
static bool enqueue(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count,
                    size_t sent) {
  int i = 0;
  while (i < count) {
    if (sent >= parts[i].iov_len) {
      sent -= parts[i++].iov_len;
      continue;
    }
    int end = i;
    if (is_shared(&parts[i], owners, i)) {
      if (!keep_shared(t, owners[i], (const uint8_t *)parts[i].iov_base + sent, parts[i].iov_len - sent)) return false;
      end = i + 1;
    } else {
      while (end < count && !is_shared(&parts[end], owners, end)) end++;
      if (!keep_copy(t, parts + i, end - i, sent)) return false;
    }
    sent = 0;
    i = end;
  }
  if (t->queue.first) show_queue(t);
  return true;
}

/* What a server said before it left may still be there to be read: the end is told by a client's reading. */
static bool write_failed(lwsn_transport *t) {
  if (t->error == 0) t->error = errno;
  if (t->client && t->exchange)
    lwsn_queue_clear(t);
  else
    lwsn_transport_kill(t);
  return false;
}

static bool send_raw(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count) {
  if (t->doomed) return false;
  size_t sent = 0;
  bool was_empty = t->queue.first == NULL;
  if (was_empty) {
    ssize_t n = lwsn_wsi_write(t->wsi, parts, count);
    if (n < 0) return write_failed(t);
    sent = (size_t)n;
    t->server->stats.bytes_sent += sent;
  }
  if (!enqueue(t, parts, owners, count, sent)) {
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

bool lwsn_send_shared(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count) {
  return t->tls ? lwsn_tls_send(t, parts, count) : send_raw(t, parts, owners, count);
}

bool lwsn_send(lwsn_transport *t, const struct iovec *parts, int count) {
  return lwsn_send_shared(t, parts, NULL, count);
}

bool lwsn_send_raw(lwsn_transport *t, const struct iovec *parts, int count) { return send_raw(t, parts, NULL, count); }

static void free_chunk(lwsn_chunk *chunk) {
  lwsn_shared_frame_unref(chunk->shared);
  free(chunk);
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
    free_chunk(chunk);
  }
  show_queue(t);
}

bool lwsn_send_pending(lwsn_transport *t) {
  bool due = t->queue.first || t->wants_writable;
  while (t->queue.first && !t->doomed) {
    struct iovec parts[LWSN_PARTS_MAX];
    int count = 0;
    for (lwsn_chunk *c = t->queue.first; c && count < LWSN_PARTS_MAX; c = c->next) {
      parts[count].iov_base = (void *)(c->data + c->done);
      parts[count++].iov_len = c->size - c->done;
    }
    ssize_t n = lwsn_wsi_write(t->wsi, parts, count);
    if (n < 0) return write_failed(t);
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
    free_chunk(chunk);
  }
  t->queue.last = NULL;
  t->queue.bytes = 0;
}
