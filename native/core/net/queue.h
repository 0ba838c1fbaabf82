#ifndef LWSN_QUEUE_H
#define LWSN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wire/shared_frame.h"

/** A piece of output that the socket refused: a copy behind it, or part of a shared frame. */
typedef struct lwsn_chunk {
  struct lwsn_chunk *next;
  size_t size;
  size_t done;
  lwsn_shared_frame *shared; /* a reference, or NULL */
  const uint8_t *data;
} lwsn_chunk;

/** What waits for a full socket, in order. Owned by the transport. */
typedef struct lwsn_queue {
  lwsn_chunk *first, *last;
  size_t bytes;
} lwsn_queue;

/**
 * Keeps what is behind the first `sent` bytes of the parts. `owners[i]` is the shared frame of part i, of which the rest
 * is kept by reference, or NULL; so may `owners` be. False: no memory, and what is kept is not whole.
 */
bool lwsn_queue_keep(lwsn_queue *queue, const struct iovec *parts, lwsn_shared_frame *const *owners, int count,
                     size_t sent);

/** What waits, at most `most` parts of it. Returns how many. */
int lwsn_queue_parts(const lwsn_queue *queue, struct iovec *parts, int most);

/** So many bytes have gone. */
void lwsn_queue_consume(lwsn_queue *queue, size_t sent);

/** Drops what waits. */
void lwsn_queue_clear(lwsn_queue *queue);

#endif
