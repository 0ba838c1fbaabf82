#ifndef LWSN_OUTPUT_H
#define LWSN_OUTPUT_H

#include "net/transport.h"

enum { LWSN_PARTS_MAX = 64 };

/**
 * Sends parts past TLS, as they go to the socket: as far as it takes them, the rest is kept and follows when it is
 * writable. `owners` as of lwsn_queue_keep. False when the socket failed or memory ran out: the transport is doomed
 * and its end is under way.
 */
bool lwsn_output_send(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count);

/** Writes what waits, as far as the socket takes it. False as above. */
bool lwsn_output_pending(lwsn_transport *t);

#endif
