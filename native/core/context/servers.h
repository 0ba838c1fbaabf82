#ifndef LWSN_SERVERS_H
#define LWSN_SERVERS_H

#include "net/server.h"

/** The owner of a server lets go: listeners close, transports are killed, then the memory goes. */
void lwsn_server_release(lwsn_server *server);

#endif
