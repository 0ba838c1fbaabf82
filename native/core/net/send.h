#ifndef LWSN_SEND_H
#define LWSN_SEND_H

#include "net/output.h"

/**
 * Sends parts in order: to the socket as far as it takes them, the rest is
 * copied and follows when the socket is writable. Returns false when the socket
 * failed or memory ran out: the transport is doomed and its end is under way.
 */
bool lwsn_send(lwsn_transport *t, const struct iovec *parts, int count);

/**
 * The same where some parts are bytes of shared frames: of those the rest is kept
 * by reference. `owners[i]` is the frame of part i, or NULL.
 */
bool lwsn_send_shared(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count);

/** The socket takes more, or may: writes what waits, and tells when nothing does any more. False as above. */
bool lwsn_send_pending(lwsn_transport *t);

#endif
