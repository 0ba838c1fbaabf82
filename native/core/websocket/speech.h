#ifndef LWSN_WEBSOCKET_SPEECH_H
#define LWSN_WEBSOCKET_SPEECH_H

#include "net/introduction.h"
#include "net/server.h"
#include "websocket/connection.h"

/** `established`: the transport speaks WebSocket from now on. False: no memory. */
bool lwsn_connection_begin(lwsn_connection *c, lwsn_transport *t);

/** Told of a connection that is unknown so far. `closing`: nothing can be sent to it any more. */
typedef void (*lwsn_introduced_fn)(lwsn_handle handle, bool closing, const lwsn_peer *peer,
                                   const lwsn_introduction *introduction, void *data);

/** Tells `told` of all that are unknown, instead of by records; they are known from then on. */
void lwsn_introduce_all(lwsn_server *server, lwsn_introduced_fn told, void *data);

#endif
