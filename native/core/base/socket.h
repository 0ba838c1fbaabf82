#pragma once
/*
 * Stream sockets as this library wants them: non-blocking, closed on exec, no SIGPIPE. Every function
 * returns a descriptor that the caller owns (or 0), or -1 with errno set and nothing opened.
 */
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE is set instead */
#endif

int lwsn_socket_open(int domain);
/* As accept(2). */
int lwsn_socket_accept(int listener, struct sockaddr *from, socklen_t *size);
/* Two connected unix sockets. */
int lwsn_socket_pair(int pair[2]);
