/* Groups of topics: contexts that share what is published, the bounds of their letters, and those that leave. */
#include "check.h"
#include "context/servers.h"
#include "failing.h"
#include "out.h"
#include "topics/group.h"
#include "wire.h"

enum { LARGE = 9 * 1024 * 1024 };

static uint8_t content[LARGE];

/* Two contexts of one process; that they share a thread too changes nothing for them. */
static world here, there;
static peer *p;
static lwsn_handle handle;

static int join(world *w, const char *name) {
  world_in_core = true;
  int error = lwsn_group_join(w->server, (const uint8_t *)name, strlen(name));
  world_in_core = false;
  return error;
}

static int64_t publish(const void *data, size_t size) {
  lwsn_shared_frame *frame = lwsn_shared_frame_create(size);
  if (size > 0) memcpy(lwsn_shared_frame_payload(frame), data, size);
  lwsn_shared_frame_seal(frame, 1);
  world_in_core = true;
  int64_t taken =
      lwsn_group_publish(here.server, (const uint8_t *)"news", 4, (lwsn_handle){UINT32_MAX, 0}, frame, false);
  world_in_core = false;
  lwsn_shared_frame_unref(frame);
  return taken;
}

static void begin(const char *one, const char *other) {
  world_begin(&here, NULL);
  world_begin(&there, NULL);
  here.descriptors = there.descriptors = -1; /* each would count those of the other */
  there.accepts = true;
  CHECK_INT(join(&here, one), 0);
  CHECK_INT(join(&there, other), 0);
  p = wire_open(&there, &handle);
  out_subscribe(&there, handle, "news");
}

static void end(void) {
  CHECK(world_end(&here));
  CHECK(world_end(&there));
}

static void expect_number(uint32_t number) {
  frame f;
  if (CHECK_SOON(&there, wire_next(p, &f))) CHECK(f.size == 4 && memcmp(f.data, &number, 4) == 0);
}

static void what_one_publishes_reaches_the_other_in_order(void) {
  begin("group", "group");
  for (uint32_t i = 0; i < 3000; i++) CHECK_INT(publish(&i, 4), 0);
  for (uint32_t i = 0; i < 3000; i++) expect_number(i);
  end();
}

static void other_groups_hear_nothing(void) {
  begin("group", "groups");
  publish("for nobody", 10);
  CHECK(!there.server->group->first);
  end();
}

static void what_exceeds_the_box_is_lost_and_counted(void) {
  begin("group", "group");
  for (uint32_t i = 0; i < LWSN_LETTERS_MAX + 10; i++) publish(&i, 4);
  CHECK_INT(lwsn_group_lost(there.server), 10);
  CHECK_INT(lwsn_group_lost(here.server), 0);
  for (uint32_t i = 0; i < LWSN_LETTERS_MAX; i++) expect_number(i);
  publish(content, LARGE);
  publish(content, LARGE);
  CHECK_INT(lwsn_group_lost(there.server), 11);
  frame f;
  CHECK_SOON(&there, wire_next(p, &f));
  CHECK_INT(f.size, LARGE);
  end();
}

static void a_letter_without_memory_is_lost_and_counted(void) {
  begin("group", "group");
  failing_begin(1, true);
  CHECK_INT(publish("lost", 4), 0);
  CHECK(failing_end());
  CHECK_INT(lwsn_group_lost(there.server), 1);
  publish("next", 4);
  frame f;
  CHECK_SOON(&there, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "next");
  end();
}

static void joining_without_memory_changes_nothing(void) {
  for (unsigned nth = 1;; nth++) {
    world_begin(&here, NULL);
    failing_begin(nth, false);
    int error = join(&here, "group");
    bool failed = failing_end();
    CHECK_INT(error, failed ? UV_ENOMEM : 0);
    if (failed) CHECK(!here.server->group && join(&here, "group") == 0);
    CHECK(world_end(&here));
    if (!failed) break;
  }
}

static void a_context_that_ends_takes_its_letters_along(void) {
  begin("group", "group");
  for (uint32_t i = 0; i < 100; i++) publish(content, 10000);
  CHECK(there.server->group->first);
  world_destroy(&there);
  CHECK_INT(publish("to nobody", 9), 0);
  end();
}

static void a_server_that_is_released_leaves_and_its_siblings_stay(void) {
  begin("group", "group");
  lwsn_server_options options = world_options();
  lwsn_server *sibling = lwsn_server_create(&there.context->services, &options);
  CHECK_INT(lwsn_group_join(sibling, (const uint8_t *)"group", 5), 0);
  CHECK(sibling->group == there.server->group);
  lwsn_server_release(sibling);
  publish("still", 5);
  frame f;
  CHECK_SOON(&there, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "still");
  lwsn_group_leave(there.server);
  CHECK(!there.server->group);
  publish("unheard", 7);
  CHECK_INT(join(&there, "group"), 0);
  publish("again", 5);
  CHECK_SOON(&there, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "again");
  end();
}

int main(void) {
  what_one_publishes_reaches_the_other_in_order();
  other_groups_hear_nothing();
  what_exceeds_the_box_is_lost_and_counted();
  a_letter_without_memory_is_lost_and_counted();
  joining_without_memory_changes_nothing();
  a_context_that_ends_takes_its_letters_along();
  a_server_that_is_released_leaves_and_its_siblings_stay();
  return check_report();
}
