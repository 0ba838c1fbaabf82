#ifndef LWSN_ENDING_H
#define LWSN_ENDING_H

#include "net/transport.h"

/** Sends FIN behind the queue, then waits for the peer's, discarding input, for at most closeTimeout. */
void lwsn_transport_end(lwsn_transport *t);

/** The same with the peer's FIN first (RFC 6455 7.1.1: a client leaves the end of TCP to the server). */
void lwsn_transport_await_end(lwsn_transport *t);

/** The peer sent FIN: nothing is read any more. Where it had to come first, ours follows; after both, the end. */
void lwsn_transport_input_ended(lwsn_transport *t);

/**
 * Whether input has ended while something of an HTTP exchange waits to be written or parsed: the transport takes note of
 * it then, and ends by itself behind what waits. Else lws may read on, and closes where input ends.
 */
bool lwsn_transport_takes_end(lwsn_transport *t);

/** The queue ran empty: FIN if one is due, and the news for whoever waits for it. */
void lwsn_transport_drained(lwsn_transport *t);

#endif
