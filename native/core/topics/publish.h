#ifndef LWSN_PUBLISH_H
#define LWSN_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/handle.h"
#include "net/server.h"
#include "websocket/connection.h"
#include "wire/shared_frame.h"

/** One published message of this flush. */
typedef struct lwsn_publication {
  lwsn_shared_frame *frame;       /* a reference */
  struct lwsn_compressed *packed; /* what it was compressed to so far, owned */
  bool plain;                     /* not to be compressed */
} lwsn_publication;

/**
 * What was published since the last flush, owned by the context. It grows when
 * something is published and is emptied by each flush.
 */
typedef struct lwsn_publications {
  lwsn_publication *list;
  uint32_t count, capacity;
  size_t bytes; /* of the frames */
} lwsn_publications;

/**
 * Hands a frame to everyone who is subscribed to a topic of the server at this
 * moment, but `except`, behind what they were sent before. A reference is taken
 * where it is needed. Who would exceed its backpressure is closed or skipped, as
 * the server's options say. Returns how many took it, or -1 without memory: then
 * nobody did. Not for use inside a flush.
 */
int64_t lwsn_publish(lwsn_server *server, const uint8_t *name, size_t name_size, lwsn_handle except,
                     lwsn_shared_frame *frame, bool plain);

/** How many connections are subscribed at this moment; what was asked for in the out-ring counts. */
uint32_t lwsn_subscribers(lwsn_server *server, const uint8_t *name, size_t name_size);

/**
 * The frame a connection is to send of a publication: the shared one, compressed
 * where its settings are those of others. NULL: its own context must compress.
 */
lwsn_shared_frame *lwsn_publication_frame(lwsn_publication *p, lwsn_connection *connection);

/** Drops all publications. */
void lwsn_publications_clear(lwsn_publications *publications);

/** Frees everything. */
void lwsn_publications_free(lwsn_publications *publications);

#endif
