#ifndef LWSN_INTRODUCTION_H
#define LWSN_INTRODUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"

/**
 * A connection that the core accepted alone is unknown to the other side until
 * its first event: an idle one costs no object there. What must be told about it
 * then, the head of its request, waits here. Owned by the transport; the peer's
 * address is the transport's.
 */
typedef struct lwsn_introduction {
  uint32_t size;
  char head[];
} lwsn_introduction;

/** Keeps a copy of the head. False: no memory. */
bool lwsn_introduction_keep(lwsn_transport *t, const char *head, size_t size);

/** Drops it untold. Does nothing when there is none. */
void lwsn_introduction_drop(lwsn_transport *t);

/**
 * Before a record about the connection: appends OPEN with lwsn_request_prefix and head,
 * once. False: no memory, and the connection stays unknown.
 */
bool lwsn_introduce(lwsn_transport *t);

#endif
