/* maxConnections, per address, and a process without descriptors. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "out.h"
#include "wire.h"

static world w;

static void begin(uint32_t connections, uint32_t per_address) {
  lwsn_server_options options = world_options();
  options.max_connections = connections;
  options.max_connections_per_address = per_address;
  world_begin(&w, &options);
  w.accepts = w.echoes = true;
}

static void end(void) { CHECK(world_end(&w)); }

static void expect_503(peer *p) {
  response r;
  if (!CHECK_SOON(&w, wire_response(p, &r))) return;
  CHECK_INT(r.status, 503);
  CHECK(wire_has(&r, "Connection: close") && wire_has(&r, "Retry-After: 1"));
  CHECK_SOON(&w, p->ended);
}

static void expect_echo(peer *p) {
  frame f;
  wire_text(p, "here");
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "here");
}

static void one_more_than_maxConnections_is_503_and_the_others_stay(void) {
  begin(3, 0);
  peer *peers[3];
  for (int i = 0; i < 3; i++) peers[i] = wire_open(&w, NULL);
  peer *refused = peer_open(&w);
  peer_say(refused, WIRE_UPGRADE);
  expect_503(refused);
  CHECK_INT(w.server->stats.refused, 1);
  for (int i = 0; i < 3; i++) expect_echo(peers[i]);
  CHECK_INT(world_told(&w, LWSN_RECORD_REQUEST), 3);
  end();
}

static void a_place_is_free_again_when_its_connection_is_gone(void) {
  begin(1, 0);
  for (unsigned i = 1; i <= 5; i++) {
    peer *p = wire_open(&w, NULL);
    expect_503(peer_open(&w));
    peer_close(p);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == i);
  }
  end();
}

static void peers_that_were_refused_and_stay_take_no_place(void) {
  begin(2, 2);
  peer *first = wire_open(&w, NULL), *second = wire_open(&w, NULL);
  for (int i = 0; i < 5; i++) expect_503(peer_open(&w)); /* and none of them closes its side */
  peer_close(first);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == 1);
  expect_echo(wire_open(&w, NULL));
  expect_503(peer_open(&w));
  expect_echo(second);
  end();
}

static peer *open_from(const char *source) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(w.bound.port)};
  struct sockaddr_in from = {.sin_family = AF_INET};
  inet_pton(AF_INET, source, &from.sin_addr);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return peer_open_from(&w, (struct sockaddr *)&from, (struct sockaddr *)&to, sizeof to);
}

static void addresses_are_counted_each_for_itself(void) {
  static const char *const sources[] = {"127.0.0.1", "127.0.0.2", "127.1.2.3"};
  begin(0, 2);
  for (int i = 0; i < 3; i++) {
    peer *one = open_from(sources[i]), *two = open_from(sources[i]);
    wire_upgrade(one, NULL);
    wire_upgrade(two, NULL);
    expect_503(open_from(sources[i]));
    peer_close(one);
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_CLOSED) == (unsigned)i + 1);
    peer *three = open_from(sources[i]);
    wire_upgrade(three, NULL);
    expect_echo(two);
    expect_echo(three);
  }
  end();
}

static void many_addresses_are_counted_and_forgotten(void) {
  enum { COUNT = 300 };
  begin(0, 1);
  peer *peers[COUNT];
  char source[32];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < COUNT; i++) {
      snprintf(source, sizeof source, "127.0.%d.%d", 1 + i / 100, 1 + i % 100);
      peers[i] = open_from(source);
    }
    CHECK_SOON(&w, w.server->stats.transports == COUNT);
    CHECK_INT(w.server->peers.used, COUNT);
    expect_503(open_from("127.0.1.1"));
    for (int i = 0; i < COUNT; i++) peer_close(peers[(i * 7) % COUNT]);
    CHECK_SOON(&w, w.server->stats.transports == 1);
    peer_close_all(&w);
    CHECK_SOON(&w, w.server->stats.transports == 0);
    CHECK_INT(w.server->peers.used, 0);
  }
  CHECK_INT(w.server->stats.refused, 2);
  end();
}

static void unix_sockets_have_no_address_to_count(void) {
  begin(0, 1);
  char path[64];
  snprintf(path, sizeof path, "@lwsn-limits-%d", (int)getpid());
  lwsn_listen_options where = {.path = path, .backlog = 16};
  lwsn_bound bound;
  CHECK_INT(world_listen(&w, &where, &bound), 0);
  peer *peers[3];
  for (int i = 0; i < 3; i++) {
    peers[i] = peer_open_path(&w, path);
    wire_upgrade(peers[i], NULL);
  }
  for (int i = 0; i < 3; i++) expect_echo(peers[i]);
  end();
}

/* Takes all descriptors but none, and gives them back. */
static int hoarded[256], hoarded_count;

static void hoard(void) {
  int fd;
  while (hoarded_count < 256 && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) hoarded[hoarded_count++] = fd;
  CHECK(hoarded_count < 256 && errno == EMFILE);
}

static void release(void) {
  while (hoarded_count > 0) close(hoarded[--hoarded_count]);
}

static void without_descriptors_the_listener_pauses_tells_why_and_goes_on_later(void) {
  struct rlimit limit, lowered;
  getrlimit(RLIMIT_NOFILE, &limit);
  begin(0, 0);
  peer *open = wire_open(&w, NULL);
  peer *waiting = peer_open(&w);
  peer *late = peer_open(&w);
  lowered = limit;
  lowered.rlim_cur = (rlim_t)world_descriptors() + 8;
  setrlimit(RLIMIT_NOFILE, &lowered);
  hoard();
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_LISTENER) > 0);
  const event *e = world_last(&w, LWSN_RECORD_LISTENER);
  CHECK_INT(e->detail, EMFILE);
  CHECK_INT(e->extra, w.server->id);
  expect_echo(open); /* the others are served meanwhile */
  unsigned long turns = w.turns, told = world_told(&w, LWSN_RECORD_LISTENER);
  world_run(&w, 50);
  CHECK_MSG(w.turns - turns < 10, "%lu turns of the loop without descriptors", w.turns - turns);
  world_pass(&w, 200);
  CHECK(world_told(&w, LWSN_RECORD_LISTENER) > told); /* tried again, and told again */
  release();
  setrlimit(RLIMIT_NOFILE, &limit);
  world_pass(&w, 200);
  wire_upgrade(waiting, NULL);
  wire_upgrade(late, NULL);
  expect_echo(waiting);
  expect_echo(late);
  end();
}

static void destroying_while_the_listener_pauses_leaves_nothing(void) {
  struct rlimit limit, lowered;
  getrlimit(RLIMIT_NOFILE, &limit);
  begin(0, 0);
  peer_open(&w);
  lowered = limit;
  lowered.rlim_cur = (rlim_t)world_descriptors() + 8;
  setrlimit(RLIMIT_NOFILE, &lowered);
  hoard();
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_LISTENER) > 0);
  release();
  setrlimit(RLIMIT_NOFILE, &limit);
  end();
}

int main(void) {
  one_more_than_maxConnections_is_503_and_the_others_stay();
  a_place_is_free_again_when_its_connection_is_gone();
  peers_that_were_refused_and_stay_take_no_place();
  addresses_are_counted_each_for_itself();
  many_addresses_are_counted_and_forgotten();
  unix_sockets_have_no_address_to_count();
  /* valgrind keeps the limit by itself: it accepts first, and then drops the connection */
  if (!world_under_valgrind()) {
    without_descriptors_the_listener_pauses_tells_why_and_goes_on_later();
    destroying_while_the_listener_pauses_leaves_nothing();
  }
  return check_report();
}
