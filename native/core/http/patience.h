#ifndef LWSN_PATIENCE_H
#define LWSN_PATIENCE_H

#include "http/exchange.h"

/**
 * How long a peer is waited for while its request is served: to send the body and
 * take the response, `idleTimeout` between two pieces. A handler may take as long
 * as it likes while its peer is there:
 *
 * - One that sent FIN may have half-closed, or be gone (both look alike until
 *   something is written, which a peer that is gone answers with RST). It has
 *   `closeTimeout` from there, and from each piece of the response that the socket
 *   took.
 * - One that was silent for `idleTimeout` is probed by TCP (RFC 9293 3.8.4), so
 *   that a machine that vanished ends the transport.
 */

/** A request was told: starts the timer. */
void lwsn_patience_begin(lwsn_exchange *x);

/** The peer sent FIN while its request is served. */
void lwsn_patience_peer_left(lwsn_exchange *x);

#endif
