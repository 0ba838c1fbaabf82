#ifndef LWSN_INPUT_H
#define LWSN_INPUT_H

#include "net/transport.h"

/** So many bytes came from the socket: counted, and a sign of life. False: nobody wants them any more. */
bool lwsn_transport_heard(lwsn_transport *t, size_t size);

/** Input from the socket, in whatever pieces: behind the PROXY protocol and TLS, where there are any, it is told. */
void lwsn_transport_input(lwsn_transport *t, const uint8_t *data, size_t size);

/** Goes on with whatever input was kept. */
void lwsn_transport_resume(lwsn_transport *t);

/** Its turn among the stalled ones: kept input first, then what it could not be read for lack of room. */
void lwsn_transport_visit(lwsn_transport *t);

#endif
