#ifndef LWSN_TRANSPORTS_H
#define LWSN_TRANSPORTS_H

#include <sys/socket.h>

#include "net/server.h"
#include "net/transport.h"

/** Makes the transport of an accepted descriptor. NULL: no memory or no slot; the caller closes the descriptor. */
lwsn_transport *lwsn_transport_create(lwsn_server *server, const struct sockaddr_storage *peer);

/**
 * Gives the descriptor and the transport to lws, which owns both from now on.
 * False: both are gone. Ends in `adopted`, or in `destroyed` (lws/door.h).
 */
bool lwsn_transport_adopt(lwsn_transport *t, int fd);

/** Frees it: in `destroyed`, or when lws never took it in. */
void lwsn_transport_free(lwsn_transport *t);

/**
 * Transports that wait for a further request end now, those in an exchange when it ends. Connections stay, and listeners
 * go on: whoever comes has one exchange, and no upgrade is accepted alone.
 */
void lwsn_server_retire(lwsn_server *server);

/** Retires it for good, and ends those whose first request has not come: EMPTY tells once when all transports are gone. */
void lwsn_server_drain(lwsn_server *server);

/** Kills all its transports. */
void lwsn_server_kill_all(lwsn_server *server);

#endif
