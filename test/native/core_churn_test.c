/* Tens of thousands of connections that come and go, each in its own way: nothing stays behind. */
#include <malloc.h>
#include <netinet/in.h>
#include <unistd.h>

#include "check.h"
#include "out.h"
#include "wire.h"

/* What a batch of another size may move; a single block lost on one of the ways is above it. */
enum { AT_ONCE = 50, WAYS = 8, SLACK = 32768 };

static world w;

/* What one visitor sends before it leaves; `*reset`: by RST. */
static size_t visit(int way, uint8_t *bytes, bool *reset) {
  static const char *const texts[] = {"",           "",       "GET / HT",  WIRE_GET, WIRE_GET WIRE_GET,
                                      WIRE_UPGRADE, "junk\n", WIRE_UPGRADE};
  size_t n = strlen(texts[way]);
  memcpy(bytes, texts[way], n);
  *reset = way == 1 || way == 4 || way == 7;
  if (way < 5 || way == 6) return n;
  n += wire_frame(bytes + n, WIRE_TEXT, "hello", 5);
  n += wire_frame(bytes + n, 0x02, "half a message", 14);
  if (way == 5) n += wire_frame(bytes + n, WIRE_CLOSE, "\x03\xe8", 2);
  return n;
}

static int connect_one(void) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(w.bound.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) world_fatal("cannot connect");
  return fd;
}

/* Some visitors at the same time; they leave before, while or after they are served. */
static void visit_together(unsigned round) {
  int fds[AT_ONCE];
  bool reset[AT_ONCE];
  uint8_t bytes[sizeof WIRE_UPGRADE + 64];
  uint64_t accepted = w.server->stats.accepted;
  for (int i = 0; i < AT_ONCE; i++) {
    fds[i] = connect_one();
    size_t n = visit((int)((round + (unsigned)i) % WAYS), bytes, &reset[i]);
    if (n > 0 && send(fds[i], bytes, n, MSG_NOSIGNAL) != (ssize_t)n) world_fatal("cannot send");
  }
  for (unsigned turn = 0; turn < round % 4; turn++) uv_run(&w.loop, UV_RUN_NOWAIT);
  for (int i = 0; i < AT_ONCE; i++) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset[i]) setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fds[i]);
  }
  world_wait(&w);
  while (w.server->stats.accepted < accepted + AT_ONCE || w.server->stats.transports > 0)
    if (!world_step(&w)) world_fatal("%u transports did not go away", (unsigned)w.server->stats.transports);
  world_run(&w, 0);
  world_forget(&w);
}

static void whoever_comes_and_goes_leaves_nothing_behind(void) {
  unsigned rounds = world_is_slow() ? 100 : 400;
  world_begin(&w, NULL);
  w.accepts = w.echoes = w.responds = true;
  for (unsigned round = 0; round < 16; round++) visit_together(round); /* fills the pools */
  struct mallinfo2 before = mallinfo2();
  int descriptors = world_descriptors();
  for (unsigned round = 0; round < rounds; round++) visit_together(round);
  struct mallinfo2 after = mallinfo2();
  CHECK_MSG(after.uordblks + after.hblkhd <= before.uordblks + before.hblkhd + SLACK,
            "%zd bytes more are in use after %u visitors",
            (ssize_t)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd), rounds * AT_ONCE);
  CHECK_INT(world_descriptors(), descriptors);
  CHECK_INT(w.server->stats.accepted, (rounds + 16) * AT_ONCE);
  CHECK_INT(w.server->stats.opened, w.server->stats.closed);
  CHECK(w.server->stats.opened > rounds);
  CHECK_INT(w.server->stats.connections, 0);
  CHECK_INT(w.context->services.registry.tenant_count, 0);
  CHECK(w.context->services.registry.used <= 4 * AT_ONCE);
  CHECK_INT(w.context->services.wheel.armed, 0);
  CHECK(world_end(&w));
}

static void contexts_that_come_and_go_leave_nothing_behind(void) {
  int rounds = world_is_slow() ? 3 : 30;
  size_t before = 0;
  for (int i = 0; i < rounds; i++) {
    world_begin(&w, NULL);
    w.accepts = w.echoes = true;
    peer *p = wire_open(&w, NULL);
    wire_text(p, "hello");
    frame f;
    CHECK_SOON(&w, wire_next(p, &f));
    CHECK(world_end(&w));
    struct mallinfo2 now = mallinfo2();
    if (i == 2) before = now.uordblks + now.hblkhd;
    if (i == rounds - 1) CHECK(now.uordblks + now.hblkhd <= before + SLACK);
  }
}

int main(void) {
  whoever_comes_and_goes_leaves_nothing_behind();
  contexts_that_come_and_go_leave_nothing_behind();
  return check_report();
}
