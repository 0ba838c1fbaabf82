/* The floor: what a WebSocket echo or broadcast costs on this kernel with as little as possible around it. One thread,
 * level-triggered epoll, one recv and one send per turn and connection. It trusts its client: no fragments, no UTF-8
 * check, no limits beyond what memory safety needs. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../load/accept.h"
#include "../load/frame.h"

#define SHARED_SIZE (512u << 10)
#define FRAME_MAX (16u << 20)
#define OUT_MAX (64u << 20)
#define EVENTS 512

struct peer {
  int fd;
  bool upgraded, wants_write, dirty, ending;
  uint32_t place; /* in server.peers */
  uint8_t *in;    /* own buffer, from the first message on that did not come in one piece */
  size_t in_length, in_size;
  uint8_t *out;
  size_t out_from, out_to, out_size;
};

struct server {
  int epoll, listener;
  bool broadcast;
  struct peer **peers;
  uint32_t count, room;
  struct peer **dirty;
  uint32_t dirty_count;
  uint8_t **kept; /* ring of copies of the last messages */
  uint32_t keep, keep_next;
  uint8_t shared[SHARED_SIZE];
};

static void watch(struct server *server, struct peer *peer, int operation, bool write) {
  struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = peer};
  peer->wants_write = write;
  epoll_ctl(server->epoll, operation, peer->fd, &event);
}

static void release(struct server *server, struct peer *peer) {
  close(peer->fd);
  server->peers[peer->place] = server->peers[--server->count];
  server->peers[peer->place]->place = peer->place;
  for (uint32_t i = 0; peer->dirty && i < server->dirty_count; i++)
    if (server->dirty[i] == peer) server->dirty[i] = server->dirty[--server->dirty_count];
  free(peer->in);
  free(peer->out);
  free(peer);
}

static bool append(struct peer *peer, const void *bytes, size_t length) {
  if (peer->out_from && peer->out_size - peer->out_to < length) {
    memmove(peer->out, peer->out + peer->out_from, peer->out_to - peer->out_from);
    peer->out_to -= peer->out_from;
    peer->out_from = 0;
  }
  if (peer->out_size - peer->out_to < length) {
    size_t size = (peer->out_to + length) * 2;
    uint8_t *grown = size <= OUT_MAX ? realloc(peer->out, size) : NULL;
    if (!grown) return false;
    peer->out = grown;
    peer->out_size = size;
  }
  memcpy(peer->out + peer->out_to, bytes, length);
  peer->out_to += length;
  return true;
}

static bool flush(struct server *server, struct peer *peer) {
  while (peer->out_from < peer->out_to) {
    ssize_t sent = send(peer->fd, peer->out + peer->out_from, peer->out_to - peer->out_from, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return false;
      if (!peer->wants_write) watch(server, peer, EPOLL_CTL_MOD, true);
      return true;
    }
    peer->out_from += (size_t)sent;
  }
  peer->out_from = peer->out_to = 0;
  if (peer->wants_write) watch(server, peer, EPOLL_CTL_MOD, false);
  return !peer->ending;
}

static bool send_bytes(struct server *server, struct peer *peer, const uint8_t *bytes, size_t length) {
  if (peer->out_from == peer->out_to) {
    ssize_t sent = send(peer->fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent > 0) bytes += sent, length -= (size_t)sent;
  }
  return !length || (append(peer, bytes, length) && flush(server, peer));
}

static void mark_dirty(struct server *server, struct peer *peer) {
  if (peer->dirty) return;
  peer->dirty = true;
  server->dirty[server->dirty_count++] = peer;
}

static bool publish(struct server *server, const uint8_t *frame, size_t length) {
  bool kept = true;
  for (uint32_t i = 0; i < server->count; i++) {
    if (!server->peers[i]->upgraded) continue;
    kept = append(server->peers[i], frame, length) && kept;
    mark_dirty(server, server->peers[i]);
  }
  return kept;
}

static void keep(struct server *server, const uint8_t *payload, size_t length) {
  uint8_t **place = &server->kept[server->keep_next++ % server->keep];
  free(*place);
  *place = malloc(length + 1);
  if (*place) memcpy(*place, payload, length);
}

static void unmask(uint8_t *bytes, size_t length, uint32_t key) {
  uint64_t wide = (uint64_t)key << 32 | key, word;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    memcpy(&word, bytes + i, 8);
    word ^= wide;
    memcpy(bytes + i, &word, 8);
  }
  for (; i < length; i++) bytes[i] ^= (uint8_t)(key >> 8 * (i % 4));
}

static bool control(struct server *server, struct peer *peer, uint8_t opcode, const uint8_t *payload, size_t length) {
  uint8_t reply[2 + 125];
  if (length > 125) return false;
  if (opcode == FRAME_PONG) return true;
  size_t head = frame_put_head(reply, opcode == FRAME_PING ? FRAME_PONG : FRAME_CLOSE, length, false);
  memcpy(reply + head, payload, length);
  if (opcode == FRAME_CLOSE) peer->ending = true;
  return append(peer, reply, head + length) && flush(server, peer);
}

/* Length of the head and payload of the frame that begins here; 0: more bytes are needed; -1: not acceptable. */
static ssize_t measure(const uint8_t *frame, size_t have, size_t *head, size_t *length) {
  if (have < 2) return 0;
  if (!(frame[1] & 0x80)) return -1;
  size_t short_length = frame[1] & 0x7f, extra = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  *head = 2 + extra + 4;
  if (have < *head) return 0;
  uint64_t wide = extra ? 0 : short_length;
  for (size_t i = 0; i < extra; i++) wide = wide << 8 | frame[2 + i];
  if (wide > FRAME_MAX) return -1;
  *length = (size_t)wide;
  return (ssize_t)(*head + *length);
}

/* Handles the whole frames in the buffer. Echoes are built where they came, close together, and sent at once.
 * Returns how many bytes were used, -1 to drop the peer; `wanted` is the size of the frame left over, if known. */
static ssize_t take_frames(struct server *server, struct peer *peer, uint8_t *bytes, size_t have, size_t *wanted) {
  uint8_t *echo = NULL, *echo_end = NULL;
  size_t used = 0, head, length;
  ssize_t frame = 0;
  while ((head = 0, frame = measure(bytes + used, have - used, &head, &length)) > 0 && (size_t)frame <= have - used) {
    uint8_t *payload = bytes + used + head, opcode = bytes[used] & 0x0f;
    uint32_t key;
    memcpy(&key, payload - 4, 4);
    unmask(payload, length, key);
    used += (size_t)frame;
    if (opcode >= FRAME_CLOSE) {
      if (echo_end > echo && !send_bytes(server, peer, echo, (size_t)(echo_end - echo))) return -1;
      echo = echo_end = NULL;
      if (!control(server, peer, opcode, payload, length)) return -1;
      continue;
    }
    if (server->keep) keep(server, payload, length);
    size_t reply_head = head - 4;
    if (server->broadcast) {
      frame_put_head(payload - reply_head, opcode, length, false);
      if (!publish(server, payload - reply_head, reply_head + length)) return -1;
      continue;
    }
    if (!echo)
      echo = echo_end = payload - reply_head;
    else
      memmove(echo_end + reply_head, payload, length);
    frame_put_head(echo_end, opcode, length, false);
    echo_end += reply_head + length;
  }
  if (frame < 0) return -1;
  if (echo_end > echo && !send_bytes(server, peer, echo, (size_t)(echo_end - echo))) return -1;
  *wanted = (size_t)frame;
  return (ssize_t)used;
}

static ssize_t take_request(struct server *server, struct peer *peer, uint8_t *bytes, size_t have) {
  static const char name[] = "Sec-WebSocket-Key:";
  uint8_t *end = memmem(bytes, have, "\r\n\r\n", 4);
  if (!end) return have < 8192 ? 0 : -1;
  *end = 0;
  const char *key = strcasestr((const char *)bytes, name);
  if (!key) return -1;
  key += sizeof name - 1;
  while (*key == ' ') key++;
  char accept[ACCEPT_SIZE], response[160];
  accept_from_key(accept, key, strcspn(key, " \r\n"));
  int length = snprintf(response, sizeof response,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
  if (!send_bytes(server, peer, (uint8_t *)response, (size_t)length)) return -1;
  peer->upgraded = true;
  return end + 4 - bytes;
}

/* Keeps what is left of a read: the peer's own buffer grows to hold the frame it belongs to twice. */
static bool save_rest(struct peer *peer, const uint8_t *rest, size_t length, size_t wanted) {
  size_t needed = (wanted > length ? wanted : length) * 2 + FRAME_HEAD_MAX;
  if (peer->in_size < needed) {
    uint8_t *grown = malloc(needed);
    if (!grown) return false;
    memcpy(grown, rest, length);
    free(peer->in);
    peer->in = grown;
    peer->in_size = needed;
  } else {
    memmove(peer->in, rest, length);
  }
  peer->in_length = length;
  return true;
}

static bool read_peer(struct server *server, struct peer *peer) {
  uint8_t *bytes = peer->in ? peer->in : server->shared;
  size_t have = peer->in_length, size = peer->in ? peer->in_size : SHARED_SIZE - 1, used = 0, wanted = 0;
  ssize_t got = recv(peer->fd, bytes + have, size - have, 0);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  have += (size_t)got;
  peer->in_length = 0;
  if (!peer->upgraded) {
    ssize_t taken = take_request(server, peer, bytes, have);
    if (taken < 0) return false;
    used = (size_t)taken;
  }
  if (peer->upgraded && used < have) {
    ssize_t taken = take_frames(server, peer, bytes + used, have - used, &wanted);
    if (taken < 0) return false;
    used += (size_t)taken;
  }
  return used == have || save_rest(peer, bytes + used, have - used, wanted);
}

static bool make_room(struct server *server) {
  if (server->count < server->room) return true;
  uint32_t room = server->room ? server->room * 2 : 64;
  struct peer **peers = realloc(server->peers, room * sizeof *peers);
  if (peers) server->peers = peers;
  struct peer **dirty = realloc(server->dirty, room * sizeof *dirty);
  if (dirty) server->dirty = dirty;
  if (!peers || !dirty) return false;
  server->room = room;
  return true;
}

static void accept_peers(struct server *server) {
  int fd, on = 1;
  while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct peer *peer = make_room(server) ? calloc(1, sizeof *peer) : NULL;
    if (!peer) {
      close(fd);
      return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer->fd = fd;
    peer->place = server->count;
    server->peers[server->count++] = peer;
    watch(server, peer, EPOLL_CTL_ADD, false);
  }
}

static bool listen_at(struct server *server, const char *path) {
  if (path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return false;
    strcpy(address.sun_path, path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address)) return false;
  } else {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address)) return false;
  }
  return !listen(server->listener, 4096);
}

static void announce(const struct server *server) {
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  getsockname(server->listener, (struct sockaddr *)&address, &length);
  printf("{\"port\":%u,\"version\":\"gcc %d.%d\"}\n", address.sin_family == AF_INET ? ntohs(address.sin_port) : 0,
         __GNUC__, __GNUC_MINOR__);
  fflush(stdout);
}

/* False: standard input ended. */
static bool take_order(void) {
  char bytes[64];
  if (read(STDIN_FILENO, bytes, sizeof bytes) <= 0) return false;
  puts("{\"collected\":true}"); /* the only order there is: collect garbage */
  fflush(stdout);
  return true;
}

static void handle(struct server *server, struct peer *peer, uint32_t events) {
  bool alive = !(events & EPOLLOUT) || flush(server, peer);
  if (alive && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) alive = read_peer(server, peer);
  if (!alive) release(server, peer);
}

static void flush_dirty(struct server *server) {
  while (server->dirty_count) {
    struct peer *peer = server->dirty[--server->dirty_count];
    peer->dirty = false;
    if (!flush(server, peer)) release(server, peer);
  }
}

/* Until standard input ends. */
static void serve(struct server *server) {
  struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
  server->epoll = epoll_create1(EPOLL_CLOEXEC);
  event.data.ptr = server;
  epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event);
  event.data.ptr = NULL;
  epoll_ctl(server->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  for (;;) {
    int count = epoll_wait(server->epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      void *source = events[i].data.ptr;
      if (source == server)
        accept_peers(server);
      else if (source)
        handle(server, source, events[i].events);
      else if (!take_order())
        return;
    }
    flush_dirty(server);
  }
}

static void release_all(struct server *server) {
  while (server->count) release(server, server->peers[0]);
  for (uint32_t i = 0; i < server->keep; i++) free(server->kept[i]);
  free(server->kept);
  free(server->peers);
  free(server->dirty);
  close(server->listener);
  close(server->epoll);
  free(server);
}

int main(int count, char **arguments) {
  struct server *server = calloc(1, sizeof *server);
  const char *path = NULL;
  if (!server) return 1;
  for (int i = 1; i < count; i++) {
    if (!strcmp(arguments[i], "--mode=broadcast")) server->broadcast = true;
    if (!strncmp(arguments[i], "--path=", 7)) path = arguments[i] + 7;
    if (!strncmp(arguments[i], "--keep=", 7)) server->keep = (uint32_t)strtoul(arguments[i] + 7, NULL, 10);
  }
  server->kept = calloc(server->keep + 1, sizeof *server->kept);
  if (!server->kept || !listen_at(server, path)) {
    perror("listen");
    return 1;
  }
  announce(server);
  serve(server);
  release_all(server);
  return 0;
}
