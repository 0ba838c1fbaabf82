#include "net/queue.h"

#include <stdlib.h>
#include <string.h>

enum { SHARED_MIN = 512 };

static void append(lwsn_queue *queue, lwsn_chunk *chunk) {
  chunk->next = NULL;
  chunk->done = 0;
  if (queue->last)
    queue->last->next = chunk;
  else
    queue->first = chunk;
  queue->last = chunk;
  queue->bytes += chunk->size;
}

static bool keep_shared(lwsn_queue *queue, lwsn_shared_frame *frame, const uint8_t *data, size_t size) {
  lwsn_chunk *chunk = malloc(sizeof *chunk);
  if (!chunk) return false;
  lwsn_shared_frame_ref(frame);
  chunk->shared = frame;
  chunk->data = data;
  chunk->size = size;
  append(queue, chunk);
  return true;
}

/* Copies parts into one chunk, without the first `skip` bytes. */
static bool keep_copy(lwsn_queue *queue, const struct iovec *parts, int count, size_t skip) {
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
  append(queue, chunk);
  return true;
}

/* A short rest is cheaper copied, together with its neighbours. */
static bool is_shared(const struct iovec *part, lwsn_shared_frame *const *owners, int i) {
  return owners && owners[i] && part->iov_len > SHARED_MIN;
}

bool lwsn_queue_keep(lwsn_queue *queue, const struct iovec *parts, lwsn_shared_frame *const *owners, int count,
                     size_t sent) {
  int i = 0;
  while (i < count) {
    if (sent >= parts[i].iov_len) {
      sent -= parts[i++].iov_len;
      continue;
    }
    int end = i;
    if (is_shared(&parts[i], owners, i)) {
      if (!keep_shared(queue, owners[i], (const uint8_t *)parts[i].iov_base + sent, parts[i].iov_len - sent))
        return false;
      end = i + 1;
    } else {
      while (end < count && !is_shared(&parts[end], owners, end)) end++;
      if (!keep_copy(queue, parts + i, end - i, sent)) return false;
    }
    sent = 0;
    i = end;
  }
  return true;
}

int lwsn_queue_parts(const lwsn_queue *queue, struct iovec *parts, int most) {
  int count = 0;
  for (lwsn_chunk *c = queue->first; c && count < most; c = c->next) {
    parts[count].iov_base = (void *)(c->data + c->done);
    parts[count++].iov_len = c->size - c->done;
  }
  return count;
}

static void free_chunk(lwsn_chunk *chunk) {
  lwsn_shared_frame_unref(chunk->shared);
  free(chunk);
}

void lwsn_queue_consume(lwsn_queue *queue, size_t sent) {
  queue->bytes -= sent;
  while (queue->first) {
    lwsn_chunk *chunk = queue->first;
    size_t left = chunk->size - chunk->done;
    if (sent < left) {
      chunk->done += sent;
      return;
    }
    sent -= left;
    queue->first = chunk->next;
    if (!queue->first) queue->last = NULL;
    free_chunk(chunk);
  }
}

void lwsn_queue_clear(lwsn_queue *queue) {
  while (queue->first) {
    lwsn_chunk *chunk = queue->first;
    queue->first = chunk->next;
    free_chunk(chunk);
  }
  queue->last = NULL;
  queue->bytes = 0;
}
