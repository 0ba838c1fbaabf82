#ifndef LWSN_SEND_H
#define LWSN_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wire/shared_frame.h"

struct lwsn_transport;

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

enum { LWSN_PARTS_MAX = 64 };

/**
 * Sends parts in order: to the socket as far as it takes them, the rest is
 * copied and follows when the socket is writable. Returns false when the socket
 * failed or memory ran out: the transport is doomed and its end is under way.
 */
bool lwsn_send(struct lwsn_transport *t, const struct iovec *parts, int count);

/**
 * The same where some parts are bytes of shared frames: of those the rest is kept
 * by reference. `owners[i]` is the frame of part i, or NULL.
 */
bool lwsn_send_shared(struct lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count);

/** The same as lwsn_send past TLS: bytes as they go to the socket. */
bool lwsn_send_raw(struct lwsn_transport *t, const struct iovec *parts, int count);

/** Writes what waits. False as above. */
bool lwsn_send_pending(struct lwsn_transport *t);

/** Drops what waits. */
void lwsn_queue_clear(struct lwsn_transport *t);

#endif
