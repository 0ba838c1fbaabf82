#include "base/socket.h"

#ifdef __APPLE__
#define LWSN_FLAGS_AFTERWARDS 1
#endif

#ifndef LWSN_FLAGS_AFTERWARDS

int lwsn_socket_open(int domain) { return socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int lwsn_socket_accept(int listener, struct sockaddr *from, socklen_t *size) {
  return accept4(listener, from, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int lwsn_socket_pair(int pair[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair); }

#else

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

static bool set_flags(int fd) {
#ifdef SO_NOSIGPIPE
  int on = 1;
  /* fails on a socket that is closed already, which then cannot raise the signal */
  (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static void close_quietly(int fd) {
  int error = errno;
  close(fd);
  errno = error;
}

static int with_flags(int fd) {
  if (fd < 0 || set_flags(fd)) return fd;
  close_quietly(fd);
  return -1;
}

int lwsn_socket_open(int domain) { return with_flags(socket(domain, SOCK_STREAM, 0)); }

int lwsn_socket_accept(int listener, struct sockaddr *from, socklen_t *size) {
  return with_flags(accept(listener, from, size));
}

int lwsn_socket_pair(int pair[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return -1;
  if (set_flags(pair[0]) && set_flags(pair[1])) return 0;
  close_quietly(pair[0]);
  close_quietly(pair[1]);
  return -1;
}

#endif
