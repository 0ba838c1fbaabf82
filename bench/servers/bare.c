/* What a bare SSL of the running Node holds: an addon that serves TLS with Node's own OpenSSL and keeps nothing but an SSL
 * for each connection. It reads and writes through one BIO over shared memory and releases OpenSSL's buffers, as is best
 * for an idle one. It trusts its client: each read brings whole heads and whole frames of at most 125 bytes. */
#include <arpa/inet.h>
#include <errno.h>
#include <node_api.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../load/accept.h"
#include "../load/frame.h"

#define SHARED_SIZE (64u << 10)
#define EVENTS 512

struct peer {
  SSL *ssl;
  int fd;
  bool upgraded;
};

struct server {
  int epoll, listener;
  SSL_CTX *context; /* NULL: nobody is served */
  BIO *bio;
  size_t in_from, in_to, out_size;
  uint8_t in[SHARED_SIZE], out[SHARED_SIZE], plain[SHARED_SIZE];
};

static int read_input(BIO *bio, char *into, size_t room, size_t *got) {
  struct server *server = BIO_get_data(bio);
  size_t have = server->in_to - server->in_from;
  BIO_clear_retry_flags(bio);
  if (!have) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *got = room < have ? room : have;
  memcpy(into, server->in + server->in_from, *got);
  server->in_from += *got;
  return 1;
}

static int write_output(BIO *bio, const char *bytes, size_t length, size_t *written) {
  struct server *server = BIO_get_data(bio);
  if (length > SHARED_SIZE - server->out_size) return 0;
  memcpy(server->out + server->out_size, bytes, length);
  server->out_size += length;
  *written = length;
  return 1;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static bool make_context(struct server *server, const char *folder) {
  char key[512], cert[512];
  snprintf(key, sizeof key, "%s/key.pem", folder);
  snprintf(cert, sizeof cert, "%s/cert.pem", folder);
  server->context = SSL_CTX_new(TLS_server_method());
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "bare");
  if (!server->context || !method) return false;
  BIO_meth_set_read_ex(method, read_input);
  BIO_meth_set_write_ex(method, write_output);
  BIO_meth_set_ctrl(method, control);
  server->bio = BIO_new(method);
  BIO_set_data(server->bio, server);
  BIO_set_init(server->bio, 1);
  SSL_CTX_set_mode(server->context, SSL_MODE_RELEASE_BUFFERS);
  return SSL_CTX_use_PrivateKey_file(server->context, key, SSL_FILETYPE_PEM) == 1 &&
         SSL_CTX_use_certificate_file(server->context, cert, SSL_FILETYPE_PEM) == 1;
}

static void release(struct peer *peer) {
  close(peer->fd);
  SSL_free(peer->ssl);
  free(peer);
}

static void accept_peers(struct server *server) {
  int fd;
  while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct peer *peer = calloc(1, sizeof *peer);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (!peer) abort();
    peer->fd = fd;
    peer->ssl = SSL_new(server->context);
    BIO_up_ref(server->bio);
    SSL_set_bio(peer->ssl, server->bio, server->bio);
    SSL_set_accept_state(peer->ssl);
    epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

static bool write_plain(struct peer *peer, const void *bytes, size_t length) {
  size_t written;
  return SSL_write_ex(peer->ssl, bytes, length, &written) == 1;
}

static bool take_request(struct peer *peer, char *bytes) {
  char accept[ACCEPT_SIZE], response[160], *key = strcasestr(bytes, "Sec-WebSocket-Key: ");
  if (!key) return false;
  key += strlen("Sec-WebSocket-Key: ");
  accept_from_key(accept, key, strcspn(key, "\r\n"));
  int length = snprintf(response, sizeof response,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
  peer->upgraded = true;
  return write_plain(peer, response, (size_t)length);
}

/* Echoes one frame, a close frame as well. False: the connection ends. */
static bool take_frame(struct peer *peer, uint8_t *bytes, size_t have) {
  size_t length = have >= 6 ? bytes[1] & 0x7f : SHARED_SIZE;
  if (length + 6 > have) return false;
  uint8_t *payload = bytes + 6, opcode = bytes[0] & 0x0f;
  for (size_t i = 0; i < length; i++) payload[i] ^= bytes[2 + i % 4];
  size_t head = frame_put_head(payload - 2, opcode, length, false);
  bool open = write_plain(peer, payload - 2, head + length) && opcode != FRAME_CLOSE;
  if (!open) SSL_shutdown(peer->ssl);
  return open;
}

static bool take_input(struct server *server, struct peer *peer) {
  size_t have;
  ERR_clear_error();
  if (!SSL_is_init_finished(peer->ssl)) SSL_do_handshake(peer->ssl);
  while (SSL_is_init_finished(peer->ssl) && SSL_read_ex(peer->ssl, server->plain, SHARED_SIZE - 1, &have) == 1) {
    server->plain[have] = 0;
    bool taken = peer->upgraded ? take_frame(peer, server->plain, have) : take_request(peer, (char *)server->plain);
    if (!taken) return false;
  }
  return true;
}

static void handle(struct server *server, struct peer *peer) {
  ssize_t got = recv(peer->fd, server->in, SHARED_SIZE, 0);
  if (got < 0 && errno == EAGAIN) return;
  server->in_from = server->out_size = 0;
  server->in_to = got > 0 ? (size_t)got : 0;
  bool open = got > 0 && take_input(server, peer);
  if (server->out_size && send(peer->fd, server->out, server->out_size, MSG_NOSIGNAL) < 0) open = false;
  if (!open) release(peer);
}

static bool begin(struct server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = server};
  server->epoll = epoll_create1(EPOLL_CLOEXEC);
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(server->listener, (struct sockaddr *)&address, length) || listen(server->listener, 4096)) return false;
  getsockname(server->listener, (struct sockaddr *)&address, &length);
  epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event);
  event.data.ptr = NULL;
  epoll_ctl(server->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  printf("{\"port\":%u,\"version\":\"%s\"}\n", ntohs(address.sin_port), OpenSSL_version(OPENSSL_VERSION_STRING));
  fflush(stdout);
  return true;
}

/* Until standard input ends; the only order there is wants garbage to be collected. */
static void serve(struct server *server) {
  struct epoll_event events[EVENTS];
  char order[64];
  for (;;) {
    int count = epoll_wait(server->epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      void *source = events[i].data.ptr;
      if (source == server) {
        accept_peers(server);
      } else if (source) {
        handle(server, source);
      } else {
        if (read(STDIN_FILENO, order, sizeof order) <= 0) return;
        puts("{\"collected\":true}");
        fflush(stdout);
      }
    }
  }
}

/* serve(folder): blocks; "" serves nobody. */
static napi_value run(napi_env env, napi_callback_info info) {
  char folder[400] = "";
  size_t count = 1, length;
  napi_value argument;
  struct server *server = calloc(1, sizeof *server);
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_string_utf8(env, argument, folder, sizeof folder, &length);
  if (!server || (length && !make_context(server, folder)) || !begin(server))
    napi_throw_error(env, NULL, "cannot serve");
  else
    serve(server);
  return NULL; /* the process ends, and its memory with it */
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "serve", NAPI_AUTO_LENGTH, run, NULL, &function);
  return function;
}
