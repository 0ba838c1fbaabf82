#ifndef LWSN_WSI_H
#define LWSN_WSI_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/**
 * The only room that looks inside lws. Everything else uses its public API and
 * these few functions.
 */

/** The descriptor of a wsi is open. */
bool lwsn_wsi_is_live(struct lws *wsi);

/**
 * Turns a raw server wsi into the ws role, bound to `protocol`, with framing in
 * our hands (patch 0001). The callback sees the unbind of the old protocol, the
 * bind of the new one and ESTABLISHED, as after lws's own handshake.
 * False: no memory or ESTABLISHED refused; the caller closes the wsi.
 */
bool lwsn_wsi_promote(struct lws *wsi, const struct lws_protocols *protocol);

/** Bytes read; 0 nothing there yet; -1 end of input; -2 a failed socket. */
ssize_t lwsn_wsi_read(struct lws *wsi, uint8_t *buffer, size_t size);

/** As a read of one byte, which stays where it is. */
ssize_t lwsn_wsi_peek(struct lws *wsi);

/** Bytes the socket took, 0 when it is full, -1 when it failed. Never buffers. */
ssize_t lwsn_wsi_write(struct lws *wsi, const struct iovec *parts, int count);

/** Ends our direction (FIN), after everything written before. */
void lwsn_wsi_shutdown(struct lws *wsi);

/** What waits in the socket is dropped, and its end will be an RST. */
void lwsn_wsi_reset(struct lws *wsi);

/**
 * Lets TCP ask a silent peer whether it is there: one that is not fails the socket after about `ms`. Does nothing to
 * other sockets.
 */
void lwsn_wsi_probe(struct lws *wsi, uint64_t ms);

/** Closes now; CLOSED and WSI_DESTROY come before it returns. Never inside a callback of this wsi (facts 1.3). */
void lwsn_wsi_kill(struct lws *wsi);

#endif
