/* Descriptors of libwebsockets itself: each is closed, and once. A second close would hit another thread's. */
#include <errno.h>

#include "check.h"
#include "world.h"

int __real_close(int fd);
int __wrap_close(int fd);

static unsigned closes, failures;

int __wrap_close(int fd) {
  int result = __real_close(fd);
  closes++;
  if (result != 0 && errno == EBADF) failures++;
  return result;
}

static void a_context_closes_each_descriptor_once(void) {
  world w;
  for (int i = 0; i < 3; i++) {
    closes = failures = 0;
    world_begin_bare(&w);
    world_destroy(&w);
    CHECK(closes > 0);
    CHECK_INT(failures, 0);
    CHECK(world_end(&w)); /* none is left */
  }
}

static void so_it_does_with_a_server(void) {
  world w;
  closes = failures = 0;
  world_begin(&w, NULL);
  world_destroy(&w);
  CHECK_INT(failures, 0);
  CHECK(world_end(&w));
}

int main(void) {
  a_context_closes_each_descriptor_once();
  so_it_does_with_a_server();
  return check_report();
}
