#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/socket.h"
#include "net/limits.h"
#include "net/proxy.h"
#include "net/server.h"
#include "net/transports.h"

enum {
  ACCEPTS_PER_EVENT = 256,   /* then other sockets get their turn */
  QUEUE_MAX = 65536,         /* more than the kernel lets wait (listen(2), somaxconn) by default */
  DESCRIPTOR_PAUSE_MS = 100, /* how long to wait for descriptors after EMFILE */
};

typedef struct lwsn_listener {
  uv_poll_t poll;
  lwsn_timer pause;
  struct lwsn_listener *next;
  lwsn_server *server;
  lwsn_services *services;
  int fd;
  int family;
  char *path;   /* of a unix socket in the file system */
  dev_t device; /* of the file we made there */
  ino_t inode;
} lwsn_listener;

static void on_readable(uv_poll_t *poll, int status, int events);

static void handle_closed(uv_handle_t *handle) {
  lwsn_listener *l = LWSN_CONTAINER(handle, lwsn_listener, poll);
  lwsn_services *services = l->services;
  free(l->path);
  free(l);
  lwsn_loop_released(&services->loop);
}

static void pause_ended(lwsn_timer *timer) {
  lwsn_listener *l = LWSN_CONTAINER(timer, lwsn_listener, pause);
  uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* Level-triggered: without a pause a listener that cannot accept would spin (facts 10). */
static void pause_accepting(lwsn_listener *l, int error) {
  uv_poll_stop(&l->poll);
  lwsn_timer_arm(&l->services->wheel, &l->pause, lwsn_now(l->services) + DESCRIPTOR_PAUSE_MS);
  lwsn_record record = lwsn_server_record(l->server, LWSN_RECORD_LISTENER, (uint32_t)error);
  lwsn_inbound_push(&l->services->inbound, &record); /* without memory untold: the next pause tells the same */
}

static void adopt(lwsn_listener *l, int fd, const struct sockaddr_storage *from) {
  lwsn_server *server = l->server;
  lwsn_transport *t = lwsn_transport_create(server, from);
  if (!t) {
    server->stats.refused++;
    close(fd);
    return;
  }
  if (server->options.proxy_protocol && !lwsn_proxy_begin(t)) {
    server->stats.refused++;
    lwsn_transport_free(t);
    close(fd);
    return;
  }
  server->stats.accepted++;
  lwsn_limits_apply(t);
  if (l->family != 0) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  lwsn_transport_adopt(t, fd);
}

/* Takes in what waits, at most so many; 0, or the errno that stopped it. */
static int accept_waiting(lwsn_listener *l, int most) {
  for (int i = 0; i < most; i++) {
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    from.ss_family = AF_UNSPEC;
    int fd = lwsn_socket_accept(l->fd, (struct sockaddr *)&from, &size);
    if (fd >= 0)
      adopt(l, fd, &from);
    else if (errno != EINTR && errno != ECONNABORTED)
      return errno;
  }
  return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  lwsn_listener *l = LWSN_CONTAINER(poll, lwsn_listener, poll);
  lwsn_services *services = l->services;
  (void)events;
  if (status < 0) return;
  int error = accept_waiting(l, ACCEPTS_PER_EVENT);
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) pause_accepting(l, error);
  lwsn_transport_reap(services);
}

static int bind_ip(int fd, const lwsn_listen_options *o, lwsn_bound *bound) {
  struct sockaddr_storage address;
  memset(&address, 0, sizeof address);
  socklen_t size;
  int on = 1, off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (o->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return -errno;
  if (bound->family == 6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6_only ? &on : &off, sizeof on);
    if (uv_ip6_addr(o->host, o->port, (struct sockaddr_in6 *)&address) != 0) return UV_EINVAL;
    size = sizeof(struct sockaddr_in6);
  } else {
    if (uv_ip4_addr(o->host, o->port, (struct sockaddr_in *)&address) != 0) return UV_EINVAL;
    size = sizeof(struct sockaddr_in);
  }
  if (bind(fd, (struct sockaddr *)&address, size) != 0) return -errno;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return -errno;
  bound->port = ntohs(bound->family == 6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                         : ((struct sockaddr_in *)&address)->sin_port);
  return 0;
}

/* A socket file that nobody accepts on was left by a process that died. */
static bool is_stale(const struct sockaddr_un *address, socklen_t size) {
  struct stat info;
  if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  int probe = lwsn_socket_open(AF_UNIX);
  if (probe < 0) return false;
  bool stale = connect(probe, (const struct sockaddr *)address, size) != 0 && errno == ECONNREFUSED;
  close(probe);
  return stale;
}

static int bind_or_replace(int fd, const struct sockaddr_un *address, socklen_t size) {
  if (bind(fd, (const struct sockaddr *)address, size) == 0) return 0;
  int error = -errno;
  if (error != UV_EADDRINUSE || address->sun_path[0] == '\0' || !is_stale(address, size)) return error;
  if (unlink(address->sun_path) == 0 && bind(fd, (const struct sockaddr *)address, size) == 0) return 0;
  return -errno;
}

static int bind_unix(int fd, const lwsn_listen_options *o, char **path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(o->path);
  bool abstract = o->path[0] == '@';
  /* an abstract name has no NUL at its end (unix(7)) */
  if (length == 0 || length + !abstract > sizeof address.sun_path) return UV_ENAMETOOLONG;
  memcpy(address.sun_path, o->path, length);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  if (abstract) {
    address.sun_path[0] = '\0';
    size--;
  }
  /* first, since nobody would remove the file if this failed */
  char *name = abstract ? NULL : strdup(o->path);
  if (!abstract && !name) return UV_ENOMEM;
  int error = bind_or_replace(fd, &address, size);
  if (error != 0)
    free(name);
  else
    *path = name;
  return error;
}

static int open_socket(const lwsn_listen_options *o, lwsn_bound *bound, char **path) {
  bound->family = o->path ? 0 : strchr(o->host, ':') ? 6 : 4;
  int domain = bound->family == 6 ? AF_INET6 : bound->family == 4 ? AF_INET : AF_UNIX;
  int fd = lwsn_socket_open(domain);
  if (fd < 0) return -errno;
  int error = o->path ? bind_unix(fd, o, path) : bind_ip(fd, o, bound);
  if (error == 0 && listen(fd, o->backlog) != 0) error = -errno;
  if (error == 0) return fd;
  close(fd);
  if (*path) unlink(*path);
  free(*path);
  *path = NULL;
  return error;
}

static void note_file(lwsn_listener *l) {
  struct stat info;
  if (!l->path || lstat(l->path, &info) != 0) return;
  l->device = info.st_dev;
  l->inode = info.st_ino;
}

/* Another process may have put its own socket there. */
static void remove_file(const lwsn_listener *l) {
  struct stat info;
  if (!l->path || lstat(l->path, &info) != 0) return;
  if (info.st_dev == l->device && info.st_ino == l->inode) unlink(l->path);
}

int lwsn_listener_open(lwsn_server *server, const lwsn_listen_options *options, lwsn_bound *bound) {
  char *path = NULL;
  memset(bound, 0, sizeof *bound);
  int fd = open_socket(options, bound, &path);
  if (fd < 0) return fd;
  lwsn_listener *l = calloc(1, sizeof *l);
  int error = l ? uv_poll_init(server->services->loop.uv, &l->poll, fd) : UV_ENOMEM;
  if (error != 0) {
    free(l);
    close(fd);
    if (path) unlink(path);
    free(path);
    return error;
  }
  l->server = server;
  l->services = server->services;
  l->fd = fd;
  l->family = bound->family;
  l->path = path;
  note_file(l);
  lwsn_timer_init(&l->pause, pause_ended);
  l->next = server->listeners;
  server->listeners = l;
  l->services->loop.open_handles++;
  uv_poll_start(&l->poll, UV_READABLE, on_readable);
  if (!server->referenced) uv_unref((uv_handle_t *)&l->poll);
  return 0;
}

void lwsn_listener_empty_all(lwsn_server *server) {
  for (lwsn_listener *l = server->listeners; l; l = l->next) accept_waiting(l, QUEUE_MAX);
  lwsn_transport_reap(server->services);
}

void lwsn_listener_close_all(lwsn_server *server) {
  while (server->listeners) {
    lwsn_listener *l = server->listeners;
    server->listeners = l->next;
    lwsn_timer_cancel(&l->services->wheel, &l->pause);
    uv_close((uv_handle_t *)&l->poll, handle_closed);
    close(l->fd);
    remove_file(l);
  }
}

void lwsn_listener_ref_all(lwsn_server *server, bool referenced) {
  server->referenced = referenced;
  for (lwsn_listener *l = server->listeners; l; l = l->next) {
    if (referenced)
      uv_ref((uv_handle_t *)&l->poll);
    else
      uv_unref((uv_handle_t *)&l->poll);
  }
}
