/* Listening: addresses, ports, unix sockets, sharing a port, and when it keeps the loop alive. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "http/exchange.h"
#include "net/listener.h"
#include "out.h"
#include "wire.h"

static world w;
static char folder[] = "/tmp/lwsn-listener-XXXXXX";

static void begin(void) {
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
}

static void end(void) { CHECK(world_end(&w)); }

static int listen_ip(const char *host, uint16_t port, lwsn_bound *bound) {
  lwsn_listen_options where = {.host = host, .port = port, .backlog = 16};
  return world_listen(&w, &where, bound);
}

static int listen_path(const char *path) {
  lwsn_listen_options where = {.path = path, .backlog = 16};
  lwsn_bound bound;
  return world_listen(&w, &where, &bound);
}

static const char *in_folder(const char *name) {
  static char path[100];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

/* 0, or the errno of a connect(). */
static int try_connect(int family, uint16_t port) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
  int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  int result =
      family == 6 ? connect(fd, (struct sockaddr *)&v6, sizeof v6) : connect(fd, (struct sockaddr *)&v4, sizeof v4);
  int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

/* Speaks WebSocket over a fresh peer; what its request told of the address goes to `out`. */
static void expect_echo(peer *p, lwsn_peer *out) {
  lwsn_handle handle;
  frame f;
  wire_upgrade(p, &handle);
  wire_text(p, "hello");
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "hello");
  memcpy(out, world_last_of(&w, LWSN_RECORD_REQUEST, handle)->data, sizeof *out);
}

static bool has_IPv6(void) {
  int fd = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  bool there = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
  if (fd >= 0) close(fd);
  return there;
}

static void an_IPv4_peer_is_told_by_its_address_and_port(void) {
  begin();
  lwsn_peer told;
  peer *p = peer_open(&w);
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  getsockname(p->fd, (struct sockaddr *)&own, &size);
  expect_echo(p, &told);
  CHECK_INT(told.family, 4);
  CHECK_INT(told.port, ntohs(own.sin_port));
  CHECK(memcmp(told.address, &own.sin_addr, 4) == 0);
  end();
}

static void an_IPv6_peer_is_told_by_its_address(void) {
  begin();
  lwsn_bound bound;
  lwsn_peer told;
  CHECK_INT(listen_ip("::1", 0, &bound), 0);
  CHECK_INT(bound.family, 6);
  expect_echo(peer_open_port(&w, 6, bound.port), &told);
  CHECK_INT(told.family, 6);
  CHECK(memcmp(told.address, &in6addr_loopback, 16) == 0);
  end();
}

static void dual_stack_tells_an_IPv4_peer_as_IPv4(void) {
  static const uint8_t loopback[16] = {127, 0, 0, 1};
  begin();
  lwsn_bound bound;
  lwsn_peer told;
  CHECK_INT(listen_ip("::", 0, &bound), 0);
  expect_echo(peer_open_port(&w, 4, bound.port), &told);
  CHECK_INT(told.family, 4);
  CHECK(memcmp(told.address, loopback, 16) == 0);
  expect_echo(peer_open_port(&w, 6, bound.port), &told);
  CHECK_INT(told.family, 6);
  end();
}

static void v6_only_leaves_IPv4_alone(void) {
  begin();
  lwsn_listen_options where = {.host = "::", .backlog = 16, .v6_only = true};
  lwsn_bound bound;
  CHECK_INT(world_listen(&w, &where, &bound), 0);
  CHECK_INT(try_connect(4, bound.port), ECONNREFUSED);
  CHECK_INT(try_connect(6, bound.port), 0);
  end();
}

static void one_server_may_listen_at_many_places(void) {
  begin();
  lwsn_bound bounds[4];
  lwsn_peer told;
  for (int i = 0; i < 4; i++) CHECK_INT(listen_ip("127.0.0.1", 0, &bounds[i]), 0);
  for (int i = 0; i < 4; i++) expect_echo(peer_open_port(&w, 4, bounds[i].port), &told);
  CHECK_INT(w.server->stats.connections, 4);
  end();
}

static void a_port_that_is_taken_and_a_host_that_is_none_are_refused(void) {
  static const char *const hosts[] = {"", "localhost", "127.0.0", "999.0.0.1", ":", "::g", "127.0.0.1:80"};
  begin();
  lwsn_bound bound;
  CHECK_INT(listen_ip("127.0.0.1", w.bound.port, &bound), UV_EADDRINUSE);
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
    CHECK_MSG(listen_ip(hosts[i], 0, &bound) == UV_EINVAL, "host \"%s\"", hosts[i]);
  CHECK_INT(listen_ip("192.0.2.1", 0, &bound), UV_EADDRNOTAVAIL); /* RFC 5737: nobody's */
  end();
}

static void a_unix_socket_serves_and_is_removed_at_the_end(void) {
  const char *path = in_folder("socket");
  begin();
  CHECK_INT(listen_path(path), 0);
  lwsn_peer told;
  expect_echo(peer_open_path(&w, path), &told);
  CHECK_INT(told.family, 0);
  CHECK_INT(access(path, F_OK), 0);
  lwsn_listener_close_all(w.server);
  CHECK(access(path, F_OK) != 0);
  end();
}

static void an_abstract_unix_socket_leaves_no_file(void) {
  char path[64];
  snprintf(path, sizeof path, "@lwsn-listener-%d", (int)getpid());
  begin();
  CHECK_INT(listen_path(path), 0);
  CHECK_INT(listen_path(path), UV_EADDRINUSE);
  lwsn_peer told;
  expect_echo(peer_open_path(&w, path), &told);
  CHECK_INT(told.family, 0);
  end();
}

static void bind_unix(int fd, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path));
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) world_fatal("cannot bind %s", path);
}

static void a_stale_unix_socket_is_replaced(void) {
  const char *path = in_folder("stale");
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_unix(fd, path);
  listen(fd, 1);
  close(fd); /* the file stays behind, as after a crash */
  begin();
  CHECK_INT(listen_path(path), 0);
  lwsn_peer told;
  expect_echo(peer_open_path(&w, path), &told);
  end();
  CHECK(access(path, F_OK) != 0);
}

static void a_unix_socket_that_somebody_serves_is_kept(void) {
  const char *path = in_folder("served");
  begin();
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_unix(fd, path);
  listen(fd, 8);
  CHECK_INT(listen_path(path), UV_EADDRINUSE);
  peer_open_path(&w, path); /* still answers */
  close(fd);
  end();
  CHECK_INT(access(path, F_OK), 0);
  unlink(path);
}

static void a_file_or_folder_at_the_path_is_kept(void) {
  const char *path = in_folder("file");
  FILE *file = fopen(path, "w");
  fputs("precious", file);
  fclose(file);
  begin();
  CHECK_INT(listen_path(path), UV_EADDRINUSE);
  char content[16] = "";
  file = fopen(path, "r");
  CHECK(file && fgets(content, sizeof content, file) && strcmp(content, "precious") == 0);
  if (file) fclose(file);
  unlink(path);
  mkdir(path, 0700);
  CHECK_INT(listen_path(path), UV_EADDRINUSE);
  CHECK_INT(rmdir(path), 0);
  end();
}

static void a_socket_that_took_the_place_of_ours_is_kept(void) {
  const char *path = in_folder("moved");
  begin();
  CHECK_INT(listen_path(path), 0);
  unlink(path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_unix(fd, path);
  lwsn_listener_close_all(w.server);
  CHECK_INT(access(path, F_OK), 0);
  close(fd);
  unlink(path);
  end();
}

static void an_impossible_path_is_refused(void) {
  char path[200];
  memset(path, 'x', sizeof path);
  path[0] = '/';
  path[sizeof path - 1] = 0;
  begin();
  CHECK_INT(listen_path(path), UV_ENAMETOOLONG);
  path[sizeof(((struct sockaddr_un *)0)->sun_path)] = 0; /* one too long, with its NUL */
  CHECK_INT(listen_path(path), UV_ENAMETOOLONG);
  CHECK(listen_path("") < 0);
  CHECK_INT(listen_path(in_folder("missing/socket")), UV_ENOENT);
  end();
}

static void several_contexts_share_a_port_with_reuse_port(void) {
  world other;
  begin();
  world_begin(&other, NULL);
  lwsn_listen_options where = {.host = "127.0.0.1", .backlog = 64, .reuse_port = true};
  lwsn_bound bound;
  CHECK_INT(world_listen(&w, &where, &bound), 0);
  where.port = bound.port;
  CHECK_INT(world_listen(&other, &where, &bound), 0);
  lwsn_bound ignored;
  CHECK_INT(listen_ip("127.0.0.1", bound.port, &ignored), UV_EADDRINUSE); /* who does not ask for it does not share */
  bool both = false;
  for (int i = 0; i < 200 && !both; i++) {
    CHECK_INT(try_connect(4, bound.port), 0);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    uv_run(&other.loop, UV_RUN_NOWAIT);
    both = w.server->stats.accepted > 0 && other.server->stats.accepted > 0;
  }
  CHECK(both);
  other.descriptors = -1; /* the first world has opened some meanwhile */
  CHECK(world_end(&other));
  end();
}

static void closing_the_listeners_refuses_new_peers_and_keeps_the_others(void) {
  begin();
  lwsn_peer told;
  peer *p = peer_open(&w);
  expect_echo(p, &told);
  lwsn_listener_close_all(w.server);
  CHECK_INT(try_connect(4, w.bound.port), ECONNREFUSED);
  wire_text(p, "still here");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "still here");
  CHECK_INT(listen_ip("127.0.0.1", w.bound.port, &w.bound), 0); /* and may listen again */
  expect_echo(peer_open(&w), &told);
  end();
}

static void close_listeners(world *world, const event *e) {
  if (e->kind == LWSN_RECORD_REQUEST) lwsn_listener_close_all(world->server);
}

static void the_listeners_may_be_closed_while_a_batch_is_read(void) {
  begin();
  w.react = close_listeners;
  peer *first = peer_open(&w);
  peer_open(&w); /* may wait to be accepted */
  lwsn_peer told;
  expect_echo(first, &told);
  CHECK_INT(try_connect(4, w.bound.port), ECONNREFUSED);
  end();
}

static void listening_keeps_the_loop_alive_unless_it_is_unreferenced(void) {
  begin();
  uv_run(&w.loop, UV_RUN_NOWAIT);
  CHECK(uv_loop_alive(&w.loop));
  lwsn_listener_ref_all(w.server, false);
  CHECK(!uv_loop_alive(&w.loop));
  lwsn_bound bound;
  CHECK_INT(listen_ip("127.0.0.1", 0, &bound), 0);
  CHECK(!uv_loop_alive(&w.loop)); /* a listener opened later is no exception */
  CHECK_INT(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
  lwsn_listener_ref_all(w.server, true);
  CHECK(uv_loop_alive(&w.loop));
  end();
}

static void a_transport_keeps_the_loop_alive_also_without_its_listener(void) {
  begin();
  lwsn_listener_ref_all(w.server, false);
  peer *p = peer_open(&w);
  lwsn_peer told;
  expect_echo(p, &told);
  uv_timer_stop(&w.watchdog);
  uv_unref((uv_handle_t *)&p->poll);
  CHECK(uv_loop_alive(&w.loop));
  peer_close(p);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  uv_timer_stop(&w.watchdog);
  uv_run(&w.loop, UV_RUN_NOWAIT);
  CHECK(!uv_loop_alive(&w.loop));
  end();
}

int main(void) {
  if (!mkdtemp(folder)) world_fatal("no folder for unix sockets");
  an_IPv4_peer_is_told_by_its_address_and_port();
  if (has_IPv6()) {
    an_IPv6_peer_is_told_by_its_address();
    dual_stack_tells_an_IPv4_peer_as_IPv4();
    v6_only_leaves_IPv4_alone();
  }
  one_server_may_listen_at_many_places();
  a_port_that_is_taken_and_a_host_that_is_none_are_refused();
  a_unix_socket_serves_and_is_removed_at_the_end();
  an_abstract_unix_socket_leaves_no_file();
  a_stale_unix_socket_is_replaced();
  a_unix_socket_that_somebody_serves_is_kept();
  a_file_or_folder_at_the_path_is_kept();
  a_socket_that_took_the_place_of_ours_is_kept();
  an_impossible_path_is_refused();
  several_contexts_share_a_port_with_reuse_port();
  closing_the_listeners_refuses_new_peers_and_keeps_the_others();
  the_listeners_may_be_closed_while_a_batch_is_read();
  listening_keeps_the_loop_alive_unless_it_is_unreferenced();
  a_transport_keeps_the_loop_alive_also_without_its_listener();
  CHECK_INT(rmdir(folder), 0);
  return check_report();
}
