#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"

static bool watch(struct load *load, struct conn *conn, int operation, bool write) {
  struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = conn};
  conn->wants_write = write;
  return !epoll_ctl(load->epoll, operation, conn->stream.fd, &event) ||
         load_fail(load, "epoll_ctl: %s", strerror(errno));
}

static bool make_address(struct load *load, struct sockaddr_storage *address, socklen_t *length) {
  const struct load_options *o = &load->options;
  memset(address, 0, sizeof *address);
  if (o->path) {
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    if (strlen(o->path) >= sizeof local->sun_path) return load_fail(load, "unix socket path too long");
    local->sun_family = AF_UNIX;
    strcpy(local->sun_path, o->path);
    *length = sizeof *local;
    return true;
  }
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  if (inet_pton(AF_INET, o->host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(o->port);
    *length = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, o->host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(o->port);
    *length = sizeof *v6;
    return true;
  }
  return load_fail(load, "--host: expected a numeric address, got \"%s\"", o->host);
}

static bool prepare(struct load *load, struct conn *conn) {
  const struct load_options *o = &load->options;
  if (!conn->out) {
    size_t size = o->deflate ? deflate_bound(o->size) : o->size;
    conn->out_size = o->depth * (size + FRAME_HEAD_MAX) + 2 * (CONTROL_MAX + FRAME_HEAD_MAX);
    if (conn->out_size < 512) conn->out_size = 512;
    conn->out = malloc(conn->out_size);
    conn->sent_at = calloc(o->depth, sizeof *conn->sent_at);
    if (o->deflate) conn->packed = malloc(size);
  }
  conn->response = malloc(RESPONSE_MAX + 1);
  if (!conn->out || !conn->sent_at || !conn->response || (o->deflate && !conn->packed))
    return load_fail(load, "out of memory");
  conn->response_length = conn->out_from = conn->out_to = 0;
  conn->head.have = 0;
  conn->in_payload = conn->in_message = conn->close_seen = false;
  conn->sent = conn->received = conn->message_at = 0;
  return true;
}

bool conn_open(struct load *load, struct conn *conn) {
  struct sockaddr_storage address;
  socklen_t length = 0;
  if (!make_address(load, &address, &length) || !prepare(load, conn)) return false;
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return load_fail(load, "socket: %s", strerror(errno));
  conn->stream = (struct stream){.fd = fd};
  conn->state = CONN_CONNECTING;
  load->opening++;
  conn->began = measure_now();
  if (connect(fd, (struct sockaddr *)&address, length) && errno != EINPROGRESS)
    return load_fail(load, "connect: %s", strerror(errno));
  int on = 1;
  if (address.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return watch(load, conn, EPOLL_CTL_ADD, true);
}

bool conn_accept(struct load *load, struct conn *conn, int fd) {
  conn->stream = (struct stream){.fd = fd};
  if (!prepare(load, conn)) return false;
  conn->state = CONN_UPGRADING;
  conn->began = measure_now();
  load->opening++;
  return watch(load, conn, EPOLL_CTL_ADD, false);
}

void conn_close(struct load *load, struct conn *conn) {
  if (conn->state == CONN_NONE) return;
  stream_close(&conn->stream);
  if (conn->state < CONN_OPEN)
    load->opening--;
  else
    load->open--;
  conn->state = CONN_NONE;
  free(conn->response);
  conn->response = NULL;
}

void conn_free(struct conn *conn) {
  free(conn->response);
  free(conn->out);
  free(conn->packed);
  free(conn->sent_at);
}

bool conn_flush(struct load *load, struct conn *conn) {
  while (conn->out_from < conn->out_to) {
    ssize_t sent = stream_send(&conn->stream, conn->out + conn->out_from, conn->out_to - conn->out_from);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return load_fail(load, "send: %s", strerror(errno));
      return conn->wants_write || watch(load, conn, EPOLL_CTL_MOD, true);
    }
    conn->out_from += (size_t)sent;
  }
  conn->out_from = conn->out_to = 0;
  return !conn->wants_write || watch(load, conn, EPOLL_CTL_MOD, false);
}

bool conn_queue(struct load *load, struct conn *conn, uint8_t opcode, const uint8_t *bytes, size_t length) {
  if (conn->out_size - conn->out_to < length + FRAME_HEAD_MAX) {
    memmove(conn->out, conn->out + conn->out_from, conn->out_to - conn->out_from);
    conn->out_to -= conn->out_from;
    conn->out_from = 0;
    if (conn->out_size - conn->out_to < length + FRAME_HEAD_MAX)
      return load_fail(load, "the server does not read: %zu bytes wait on one connection", conn->out_to);
  }
  uint8_t *to = conn->out + conn->out_to;
  size_t head = frame_put_head(to, opcode, length, !load->options.listen);
  if (load->options.listen) { /* RFC 6455 5.1: a server masks nothing */
    memcpy(to + head, bytes, length);
    conn->out_to += head + length;
    return true;
  }
  uint32_t key = (uint32_t)load_random(load);
  memcpy(to + head, &key, 4);
  payload_mask(to + head + 4, bytes, length, key);
  conn->out_to += head + 4 + length;
  return true;
}

bool conn_send(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length) {
  uint8_t opcode = load_opcode(load);
  if (!load->deflate) return conn_queue(load, conn, opcode, bytes, length);
  size_t packed;
  const uint8_t *message = deflate_message(load->deflate, bytes, length, &packed);
  if (!message) return load_fail(load, "zlib: a message cannot be compressed");
  return conn_queue(load, conn, FRAME_COMPRESSED | opcode, message, packed);
}

static bool check_connected(struct load *load, struct conn *conn) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(conn->stream.fd, SOL_SOCKET, SO_ERROR, &error, &length) || error)
    return load_fail(load, "connect: %s", strerror(error ? error : errno));
  return true;
}

static bool send_request(struct load *load, struct conn *conn) {
  accept_make_key(conn->key, load_random(load), load_random(load));
  conn->out_to = (size_t)snprintf((char *)conn->out, conn->out_size,
                                  "GET / HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                                  load->options.path ? "localhost" : load->options.host, load->options.port, conn->key,
                                  load->deflate ? "Sec-WebSocket-Extensions: " DEFLATE_OFFER "\r\n" : "");
  if (conn->out_to >= conn->out_size) return load_fail(load, "--host: too long");
  conn->state = CONN_UPGRADING;
  return conn_flush(load, conn);
}

static bool secure(struct load *load, struct conn *conn) {
  switch (stream_shake(&conn->stream)) {
    case HANDSHAKE_DONE: return send_request(load, conn);
    case HANDSHAKE_READ: return !conn->wants_write || watch(load, conn, EPOLL_CTL_MOD, false);
    case HANDSHAKE_WRITE: return conn->wants_write || watch(load, conn, EPOLL_CTL_MOD, true);
    default: return load_fail(load, "TLS: %s", stream_error());
  }
}

static bool connected(struct load *load, struct conn *conn) {
  if (!check_connected(load, conn)) return false;
  if (!load->tls) return send_request(load, conn);
  conn->state = CONN_SECURING;
  if (!stream_secure(&conn->stream, load->tls)) return load_fail(load, "out of memory");
  return secure(load, conn);
}

static bool read_once(struct load *load, struct conn *conn) {
  ssize_t got = stream_recv(&conn->stream, load->read_buffer, READ_SIZE);
  load->read_at = measure_now();
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    return load_fail(load, "recv on connection %u: %s", conn->index, strerror(errno));
  }
  if (got == 0) {
    if (conn->state == CONN_CLOSING && conn->close_seen) return load->work->ended(load, conn);
    return load_fail(load, "the server ended connection %u%s", conn->index,
                     conn->state < CONN_OPEN ? " during the upgrade" : "");
  }
  return receive_bytes(load, conn, load->read_buffer, (size_t)got);
}

static bool conn_read(struct load *load, struct conn *conn) {
  do
    if (!read_once(load, conn)) return false;
  while (stream_pending(&conn->stream));
  return conn->state != CONN_OPEN || load->work->settled(load, conn);
}

bool conn_event(struct load *load, struct conn *conn, uint32_t events) {
  if (conn->state == CONN_SECURING) return secure(load, conn);
  if (events & (EPOLLOUT | EPOLLERR)) {
    if (conn->state == CONN_CONNECTING) return connected(load, conn);
    if (conn->out_from < conn->out_to && !conn_flush(load, conn)) return false;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) return conn_read(load, conn);
  return true;
}
