#ifndef LWSN_ADOPT_H
#define LWSN_ADOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/handle.h"

struct lwsn_server;

/**
 * Takes in a connected socket that somebody else made. The descriptor is
 * duplicated; the caller keeps and closes its own.
 *
 * A server's transport begins with `input`, bytes that were read from the socket
 * already: a whole request, and what followed it. The server's TLS context is
 * not used: such sockets come behind TLS, if any. `peer`: who is at the far end
 * where the socket itself does not tell, NULL where it does. GONE follows when
 * it ends without a connection, also when no REQUEST was told.
 *
 * Returns 0 and the handle, or a negative uv code; then nothing was taken.
 */
int lwsn_adopt_server(struct lwsn_server *server, int fd, const struct sockaddr_storage *peer, const uint8_t *input,
                      size_t size, lwsn_handle *handle);

/**
 * Takes in a socket that we connected. `host`: the name to ask for and to verify
 * under the TLS context of `server`, NULL for none. CONNECTED or GONE follows.
 * Returns as above.
 */
int lwsn_adopt_client(struct lwsn_server *server, int fd, const char *host, lwsn_handle *handle);

#endif
