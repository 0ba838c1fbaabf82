#include "conversation.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clock.h"
#include "judge.h"
#include "life.h"
#include "net/adopt.h"
#include "net/proxy.h"
#include "net/transports.h"
#include "out.h"
#include "websocket/connection.h"
#include "wire.h"

enum { NARROW = 2048, TURNS_MAX = 64 };

static const char request[] = WIRE_UPGRADE;
static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: " WIRE_ACCEPT "\r\n\r\n";

static world w;
static peer far; /* its buffers: what the transport sent */

static void react(world *of, const event *e) {
  conversation *c = of->user;
  if (!c || e->handle.slot != c->handle.slot || e->handle.generation != c->handle.generation) return;
  judge_record(c, e);
  switch (e->kind) {
    case LWSN_RECORD_REQUEST: c->held = (e->detail & LWSN_REQUEST_UPGRADE) && !of->accepts; break;
    case LWSN_RECORD_CONNECTED: out_raw(of, c->handle, request); break;
    case LWSN_RECORD_RESPONSE:
      c->held = !of->accepts;
      if (of->accepts) out_accept(of, c->handle, NULL, of->accept_flags);
      break;
    case LWSN_RECORD_OPEN:
      c->open = true;
      c->held = false;
      break;
    case LWSN_RECORD_CLOSING: c->closing = true; break;
    default: break;
  }
}

static void begin_world(void) {
  world_begin_bare(&w);
  w.descriptors = -1;
  lwsn_server_options options = world_options();
  options.max_header_size = 2048;
  options.deflate_threshold = 8;
  options.idle_timeout = 60000;
  options.ping_interval = 20000;
  options.close_timeout = 5000;
  options.max_connections_per_address = 8;
  w.server = lwsn_server_create(&w.context->services, &options);
  if (!w.server) world_fatal("no server");
  w.responds = true;
  w.react = react;
  far.world = &w;
}

static int take_server(const conversation *c, int fd, lwsn_handle *handle) {
  if (!c->settings.proxied) {
    struct sockaddr_storage from = {.ss_family = AF_UNIX};
    int error = lwsn_adopt_server(w.server, fd, &from, NULL, 0, handle);
    if (error == 0) life_adopted(&w, *handle);
    return error;
  }
  /* as the listener does, which has no socket pairs */
  struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
  lwsn_transport *t = lwsn_transport_create(w.server, &from);
  if (!t || !lwsn_proxy_begin(t)) return UV_ENOMEM;
  *handle = t->handle;
  return lwsn_transport_adopt(t, fcntl(fd, F_DUPFD_CLOEXEC, 0)) ? 0 : UV_ENOMEM;
}

void conversation_begin(conversation *c, const conversation_settings *settings) {
  if (!w.context) begin_world();
  *c = (conversation){.settings = *settings, .world = &w, .reads = true};
  w.accepts = settings->accepts || settings->upgraded;
  w.echoes = settings->echoes;
  w.accept_flags = settings->flags;
  w.server->options.max_payload = settings->max_payload;
  w.server->options.accepts_alone = settings->alone;
  w.server->options.tells_closed = settings->alone && settings->echoes;
  w.server->options.accept_flags = settings->flags;
  far.in_size = far.in_taken = 0;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) world_fatal("no socket pair");
  int narrow = NARROW;
  if (settings->narrow) setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
  c->fd = ends[1];
  int error =
      settings->client ? lwsn_adopt_client(w.server, ends[0], NULL, &c->handle) : take_server(c, ends[0], &c->handle);
  if (error != 0) world_fatal("a socket pair was not adopted: %s", uv_strerror(error));
  close(ends[0]);
  w.user = c;
  conversation_turn(c);
  if (!settings->upgraded) return;
  const char *head = settings->client ? answer : request;
  conversation_send(c, (const uint8_t *)head, strlen(head));
  conversation_turn(c);
  EXPECT(c->open || settings->alone);
}

static void receive(conversation *c) {
  enum { ROOM = 64 * 1024 };
  for (;;) {
    if (far.in_capacity - far.in_size < ROOM) {
      far.in_capacity = (far.in_capacity + ROOM) * 2;
      far.in = realloc(far.in, far.in_capacity);
      if (!far.in) world_fatal("no memory for the far end");
    }
    ssize_t n = recv(c->fd, far.in + far.in_size, ROOM, 0);
    if (n <= 0) return;
    far.in_size += (size_t)n;
    judge_output(c, &far);
  }
}

void conversation_turn(conversation *c) {
  clock_turn();
  uv_run(&w.loop, UV_RUN_NOWAIT);
  clock_turned();
  if (c->fd >= 0 && c->reads) receive(c);
  if (w.violations > 0) fprintf(stderr, "%s\n", w.violation);
  EXPECT(w.violations == 0);
}

void conversation_send(conversation *c, const uint8_t *data, size_t size) {
  while (c->fd >= 0 && size > 0) {
    ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
    conversation_turn(c);
    if (n <= 0) return;
    data += n;
    size -= (size_t)n;
  }
}

void conversation_finish(conversation *c) {
  if (c->fd >= 0) shutdown(c->fd, SHUT_WR);
  conversation_turn(c);
}

void conversation_end(conversation *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
  for (int i = 0; i < 3 && w.server->stats.transports > 0; i++) conversation_turn(c);
  lwsn_server_kill_all(w.server);
  lwsn_transport_reap(&w.context->services);
  for (int i = 0; i < TURNS_MAX && (i < 2 || w.context->services.inbound.count > 0); i++) conversation_turn(c);
  judge_end(&w, c);
  w.user = NULL;
  world_forget(&w);
}

conversation_settings conversation_settings_of(fuzz_input *in) {
  static const double limits[] = {1000, 16, 125, 126, 4096, 65535, 65536, 1024 * 1024};
  uint8_t a = fuzz_byte(in), b = fuzz_byte(in);
  bool deflate = (a & 16) != 0;
  uint32_t windows = (9u + (b & 7) % 7) << LWSN_CONNECTION_OWN_WINDOW | (8u + (b & 7)) << LWSN_CONNECTION_PEER_WINDOW;
  uint32_t flags = (b & 1 ? 0 : LWSN_CONNECTION_PONGS) | (a & 4 ? LWSN_CONNECTION_FRAGMENTS : 0) |
                   (a & 8 ? LWSN_CONNECTION_TRANSIENT : 0);
  if (deflate)
    flags |= LWSN_CONNECTION_DEFLATE | windows | (a & 32 ? LWSN_CONNECTION_OWN_TAKEOVER : 0) |
             (b & 64 ? LWSN_CONNECTION_PEER_TAKEOVER : 0) | 6u << LWSN_CONNECTION_LEVEL |
             (b & 7 ? 5u : 8u) << LWSN_CONNECTION_MEM_LEVEL;
  return (conversation_settings){
      .upgraded = (a & 1) == 0,
      .proxied = (a & 3) == 3,
      .alone = (b & 128) != 0,
      .accepts = (a & 3) != 2,
      .echoes = (a & 64) != 0,
      .narrow = (a & 128) != 0,
      .flags = flags,
      .max_payload = limits[b >> 3 & 7],
  };
}

size_t conversation_length(fuzz_input *in) {
  uint8_t b = fuzz_byte(in);
  if (b == 0) return in->size;
  return b < 224 ? b : (size_t)(b - 223) * 256;
}
