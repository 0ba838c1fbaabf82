#ifndef LWSN_WSI_H
#define LWSN_WSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/** A network connection as lws knows it. Valid from `adopted` to `destroyed` (door.h). */
typedef struct lws lwsn_wsi;

/**
 * Turns a raw server wsi into the ws role, bound to its protocol, with framing in
 * our hands (patch 0001), by the function with which lws's own handshake ends. The door
 * sees `left` for the raw memory and `established` for the new one.
 * False: no memory or `established` refused; the caller closes the wsi.
 */
bool lwsn_wsi_promote(lwsn_wsi *wsi);

/** `writable` comes once, as soon as the socket takes more. */
void lwsn_wsi_await_writable(lwsn_wsi *wsi);

/** Reads a byte and leaves it where it is: 1; 0 nothing there yet; -1 end of input; -2 a failed socket. */
ssize_t lwsn_wsi_peek(lwsn_wsi *wsi);

/** Bytes the socket took, 0 when it is full, -1 when it failed. Never buffers. */
ssize_t lwsn_wsi_write(lwsn_wsi *wsi, const struct iovec *parts, int count);

/** Ends our direction (FIN), after everything written before. */
void lwsn_wsi_shutdown(lwsn_wsi *wsi);

/** What waits in the socket is dropped, and its end will be an RST. */
void lwsn_wsi_reset(lwsn_wsi *wsi);

/**
 * Lets TCP ask a silent peer whether it is there: one that is not fails the socket after about `ms`. Does nothing to
 * other sockets.
 */
void lwsn_wsi_probe(lwsn_wsi *wsi, uint64_t ms);

/** Closes now; `closed` and `destroyed` come before it returns. Never inside a callback of this wsi (facts 1.3). */
void lwsn_wsi_kill(lwsn_wsi *wsi);

#endif
