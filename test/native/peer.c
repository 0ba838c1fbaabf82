#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_MAX = 256 * 1024 };

static void on_poll(uv_poll_t *poll, int status, int events);

static void update(peer *p) {
  int events = (p->reading && !p->ended && !p->error ? UV_READABLE : 0) |
               (p->out_done < p->out_size && !p->error ? UV_WRITABLE : 0);
  if (p->fd < 0) return;
  if (events)
    uv_poll_start(&p->poll, events, on_poll);
  else
    uv_poll_stop(&p->poll);
}

static void receive(peer *p) {
  if (p->in_capacity - p->in_size < READ_MAX) {
    p->in_capacity = (p->in_capacity + READ_MAX) * 2;
    p->in = realloc(p->in, p->in_capacity);
    if (!p->in) world_fatal("no memory for a peer");
  }
  ssize_t n = recv(p->fd, p->in + p->in_size, READ_MAX, 0);
  if (n > 0)
    p->in_size += (size_t)n;
  else if (n == 0)
    p->ended = true;
  else if (errno != EAGAIN)
    p->error = errno;
}

static void transmit(peer *p) {
  ssize_t n = send(p->fd, p->out + p->out_done, p->out_size - p->out_done, MSG_NOSIGNAL);
  if (n >= 0)
    p->out_done += (size_t)n;
  else if (errno != EAGAIN)
    p->error = errno;
  if (p->out_done == p->out_size) p->out_done = p->out_size = 0;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  peer *p = poll->data;
  bool in_core = world_in_core;
  world_in_core = false;
  if (status < 0) events = UV_READABLE; /* the read tells the error */
  if (events & UV_READABLE) receive(p);
  if (events & UV_WRITABLE && !p->error && p->out_done < p->out_size) transmit(p);
  update(p);
  world_in_core = in_core;
}

peer *peer_take_fd(world *w, int fd) {
  peer *p = calloc(1, sizeof *p);
  if (!p || fd < 0) world_fatal("no memory for a peer, or no socket");
  p->fd = fd;
  if (uv_poll_init(&w->loop, &p->poll, p->fd) != 0) world_fatal("no poll handle");
  p->poll.data = p;
  p->world = w;
  p->next = w->peers;
  w->peers = p;
  p->reading = true;
  update(p);
  return p;
}

peer *peer_open_from(world *w, const struct sockaddr *from, const struct sockaddr *address, socklen_t size) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) world_fatal("no socket: %s", strerror(errno));
  /* fixed, so that what a peer that does not read takes is the same on every machine (tcp(7): it ends autotuning) */
  int buffer = 128 * 1024;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (from && bind(fd, from, size) != 0) world_fatal("cannot bind: %s", strerror(errno));
  /* the kernel answers without the server's accept(), so this does not wait for our own loop */
  if (connect(fd, address, size) != 0) world_fatal("cannot connect: %s", strerror(errno));
  int on = 1;
  if (address->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return peer_take_fd(w, fd);
}

peer *peer_open_at(world *w, const struct sockaddr *address, socklen_t size) {
  return peer_open_from(w, NULL, address, size);
}

peer *peer_open(world *w) { return peer_open_port(w, 4, w->bound.port); }

peer *peer_open_port(world *w, int family, uint16_t port) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
  return family == 6 ? peer_open_at(w, (struct sockaddr *)&v6, sizeof v6)
                     : peer_open_at(w, (struct sockaddr *)&v4, sizeof v4);
}

peer *peer_open_path(world *w, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  memcpy(address.sun_path, path, length);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (path[0] == '@')
    address.sun_path[0] = 0;
  else
    size++;
  return peer_open_at(w, (struct sockaddr *)&address, size);
}

void peer_send(peer *p, const void *data, size_t size) {
  if (p->fd < 0 || p->error || size == 0) return;
  p->out = realloc(p->out, p->out_size + size);
  if (!p->out) world_fatal("no memory for a peer");
  memcpy(p->out + p->out_size, data, size);
  bool idle = p->out_done == p->out_size;
  p->out_size += size;
  if (idle) transmit(p);
  update(p);
}

void peer_say(peer *p, const char *text) { peer_send(p, text, strlen(text)); }

bool peer_drip(peer *p, const void *data, size_t size, size_t step) {
  const uint64_t *received = &p->world->server->stats.bytes_received;
  for (size_t at = 0; at < size; at += step) {
    size_t n = size - at < step ? size - at : step;
    uint64_t until = *received + n;
    peer_send(p, (const uint8_t *)data + at, n);
    world_wait(p->world);
    while (*received < until && world_step(p->world)) continue;
    if (*received < until) return false;
  }
  return true;
}

void peer_read(peer *p, bool on) {
  p->reading = on;
  update(p);
}

size_t peer_waiting(const peer *p) { return p->in_size - p->in_taken; }

const uint8_t *peer_bytes(const peer *p) { return p->in + p->in_taken; }

void peer_take(peer *p, size_t size) {
  p->in_taken += size;
  if (p->in_taken == p->in_size) p->in_taken = p->in_size = 0;
}

void peer_finish(peer *p) {
  if (p->fd >= 0) shutdown(p->fd, SHUT_WR);
}

void peer_close(peer *p) {
  if (p->fd < 0) return;
  uv_close((uv_handle_t *)&p->poll, NULL);
  close(p->fd);
  p->fd = -1;
}

void peer_reset(peer *p) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (p->fd >= 0) setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  peer_close(p);
}

void peer_close_all(world *w) {
  for (peer *p = w->peers; p; p = p->next) peer_close(p);
}

void peer_free_all(world *w) {
  while (w->peers) {
    peer *p = w->peers;
    w->peers = p->next;
    free(p->in);
    free(p->out);
    free(p);
  }
}
