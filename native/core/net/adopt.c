#include "net/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "net/input.h"
#include "net/limits.h"
#include "net/transports.h"

static int take(lwsn_server *server, int fd, const struct sockaddr_storage *told, lwsn_transport **out) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  memset(&peer, 0, sizeof peer);
  if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0) return -errno;
  bool tcp = peer.ss_family != AF_UNIX;
  if (told) peer = *told;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return -errno;
  lwsn_transport *t = lwsn_transport_create(server, &peer);
  if (!t) {
    close(copy);
    return UV_ENOMEM;
  }
  int on = 1;
  if (tcp) setsockopt(copy, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  server->stats.accepted++;
  *out = t;
  return copy;
}

static int finish(lwsn_transport *t, int fd, lwsn_handle *handle) {
  *handle = t->handle;
  return lwsn_transport_adopt(t, fd) ? 0 : UV_ENOMEM;
}

int lwsn_adopt_server(lwsn_server *server, int fd, const struct sockaddr_storage *peer, const uint8_t *input,
                      size_t size, lwsn_handle *handle) {
  lwsn_transport *t = NULL;
  int copy = take(server, fd, peer, &t);
  if (!t) return copy;
  lwsn_limits_apply(t);
  t->adopted = true;
  int error = finish(t, copy, handle);
  if (error == 0) lwsn_transport_input(t, input, size);
  lwsn_transport_reap(server->services);
  return error;
}

int lwsn_adopt_client(lwsn_server *server, int fd, const char *host, lwsn_handle *handle) {
  lwsn_transport *t = NULL;
  int copy = take(server, fd, NULL, &t);
  if (!t) return copy;
  t->client = true;
  if (host && !(t->host = strdup(host))) {
    close(copy);
    lwsn_transport_free(t);
    return UV_ENOMEM;
  }
  int error = finish(t, copy, handle);
  lwsn_transport_reap(server->services);
  return error;
}
