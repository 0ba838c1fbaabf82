#ifndef LWSN_LISTENER_H
#define LWSN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

struct lwsn_server;

/** Where to listen. Exactly one of `path` and `host` is set. */
typedef struct lwsn_listen_options {
  const char *host; /* a numeric IPv4 or IPv6 address; "::" is dual stack unless v6_only */
  const char *path; /* a unix socket; a leading NUL byte is written as '@' (Linux abstract name) */
  uint16_t port;    /* 0: the kernel chooses */
  int backlog;
  bool v6_only;
  bool reuse_port; /* SO_REUSEPORT: several contexts share the port */
} lwsn_listen_options;

typedef struct lwsn_bound {
  int family; /* 4, 6, or 0 for a unix socket */
  uint16_t port;
} lwsn_bound;

/**
 * Binds and listens; may be called again for further addresses. Returns 0 or a
 * negative uv code (UV_EADDRINUSE, UV_EACCES, ...); then nothing was opened.
 * A stale unix socket that nobody accepts on is replaced, anything else at the
 * path is not.
 */
int lwsn_listener_open(struct lwsn_server *server, const lwsn_listen_options *options, lwsn_bound *bound);

/**
 * Accepts all that the kernel has accepted already: closing the listeners would reset them, also where another one of
 * SO_REUSEPORT is there (tcp(7) does not move them; net.ipv4.tcp_migrate_req of Linux 5.14 does). Where descriptors or
 * memory run out, the rest stays.
 */
void lwsn_listener_empty_all(struct lwsn_server *server);

/** Stops accepting and closes all listening sockets; removes unix sockets it made. */
void lwsn_listener_close_all(struct lwsn_server *server);

/** Whether listening keeps the loop alive; on by default. */
void lwsn_listener_ref_all(struct lwsn_server *server, bool referenced);

#endif
