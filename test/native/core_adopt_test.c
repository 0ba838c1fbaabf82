/* Sockets that somebody else accepted, with bytes that were read from them already. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "crossing/outbound.h"
#include "life.h"
#include "net/adopt.h"
#include "net/transport.h"
#include "out.h"
#include "wire.h"

/* A peer whose other end the server of the world takes in; `input` was read from it before. */
static peer *adopt(world *w, const void *input, size_t size, lwsn_handle *handle) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) world_fatal("no socket pair");
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(4711), .sin_addr.s_addr = htonl(0xc0000201)};
  struct sockaddr_storage told = {0};
  memcpy(&told, &from, sizeof from);
  CHECK_INT(lwsn_adopt_server(w->server, ends[0], &told, input, size, handle), 0);
  life_adopted(w, *handle);
  close(ends[0]); /* the core has a copy */
  return peer_take_fd(w, ends[1]);
}

static void a_request_and_frames_may_be_cut_anywhere_between_what_was_read_and_what_comes(void) {
  uint8_t bytes[sizeof WIRE_UPGRADE + 64];
  size_t n = sizeof WIRE_UPGRADE - 1;
  memcpy(bytes, WIRE_UPGRADE, n);
  n += wire_frame(bytes + n, WIRE_TEXT, "at once", 7);
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  for (size_t cut = 0; cut <= n; cut++) {
    lwsn_handle handle;
    response r;
    frame f;
    peer *p = adopt(&w, bytes, cut, &handle);
    peer_send(p, bytes + cut, n - cut);
    CHECK_SOON(&w, wire_response(p, &r));
    CHECK_INT(r.status, 101);
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK_BYTES(f.data, f.size, "at once");
    const event *e = world_last(&w, LWSN_RECORD_REQUEST);
    CHECK(e->handle.slot == handle.slot && e->handle.generation == handle.generation);
    const lwsn_peer *told = (const lwsn_peer *)e->data;
    CHECK(told->family == 4 && told->port == 4711 && memcmp(told->address, "\xc0\x00\x02\x01", 4) == 0);
    peer_close(p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == cut + 1);
    world_forget(&w);
  }
  CHECK_INT(world_told(&w, LWSN_RECORD_TEXT), n + 1);
  CHECK_INT(world_told(&w, LWSN_RECORD_GONE), 0);
  CHECK(world_end(&w));
}

static void its_end_is_told_also_where_nothing_was(void) {
  static const char *const inputs[] = {"", "GET / HT", "junk\r\n\r\n", WIRE_GET, WIRE_UPGRADE};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    world w;
    lwsn_handle handle;
    world_begin(&w, NULL);
    peer *p = adopt(&w, inputs[i], strlen(inputs[i]), &handle);
    world_run(&w, 1);
    peer_close(p);
    if (i >= 3) out_tell(&w, handle, LWSN_OUT_TERMINATE);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
    CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), i >= 3);
    CHECK_INT(w.server->stats.transports, 0);
    CHECK(world_end(&w));
  }
}

static void over_the_limit_it_is_answered_503(void) {
  lwsn_server_options options = world_options();
  options.max_connections = 1;
  world w;
  lwsn_handle handle;
  response r;
  world_begin(&w, &options);
  w.accepts = true;
  peer *first = adopt(&w, WIRE_UPGRADE, sizeof WIRE_UPGRADE - 1, &handle);
  CHECK_SOON(&w, wire_response(first, &r));
  CHECK_INT(r.status, 101);
  peer *second = adopt(&w, WIRE_UPGRADE, sizeof WIRE_UPGRADE - 1, &handle);
  CHECK_SOON(&w, wire_response(second, &r));
  CHECK_INT(r.status, 503);
  peer_close(second);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_GONE) == 1);
  CHECK_INT(w.server->stats.connections, 1);
  CHECK(world_end(&w));
}

static void what_is_no_connected_socket_is_refused_and_nothing_is_taken(void) {
  world w;
  lwsn_handle handle;
  world_begin(&w, NULL);
  int pipes[2], alone = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (pipe(pipes) != 0) world_fatal("no pipe");
  const int wrong[] = {-1, 1 << 20, pipes[0], alone};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK(lwsn_adopt_server(w.server, wrong[i], NULL, (const uint8_t *)"x", 1, &handle) < 0);
    CHECK(lwsn_adopt_client(w.server, wrong[i], NULL, &handle) < 0);
  }
  CHECK_INT(w.server->stats.transports, 0);
  CHECK_INT(w.context->services.inbound.promised, 1);
  close(pipes[0]);
  close(pipes[1]);
  close(alone);
  CHECK(world_end(&w));
}

int main(void) {
  a_request_and_frames_may_be_cut_anywhere_between_what_was_read_and_what_comes();
  its_end_is_told_also_where_nothing_was();
  over_the_limit_it_is_answered_503();
  what_is_no_connected_socket_is_refused_and_nothing_is_taken();
  return check_report();
}
