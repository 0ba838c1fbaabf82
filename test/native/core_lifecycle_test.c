/* [L9] The context from creation to destruction, in every state of what it carries, under valgrind and ASan. */
#include <errno.h>

#include "check.h"
#include "context/servers.h"
#include "out.h"
#include "wire.h"

static void a_context_with_nothing_comes_and_goes(void) {
  world w;
  world_begin_bare(&w);
  CHECK(world_end(&w));
}

static void a_context_that_ran_comes_and_goes(void) {
  world w;
  world_begin_bare(&w);
  world_run(&w, 20);
  CHECK_INT(w.batches, 0);
  CHECK(world_end(&w));
}

static void a_listening_server_goes_with_its_context(void) {
  world w;
  world_begin(&w, NULL);
  CHECK(w.bound.port != 0);
  CHECK(world_end(&w));
}

static void several_contexts_share_a_loop_and_nothing_else(void) {
  world w;
  world_begin(&w, NULL);
  const char *why;
  lwsn_context *other = lwsn_context_create(&w.loop, NULL, NULL, &why);
  CHECK(other != NULL);
  lwsn_context_destroy(other, NULL, NULL);
  w.accepts = w.echoes = true;
  peer *p = wire_open(&w, NULL);
  wire_text(p, "still here");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "still here");
  CHECK(world_end(&w));
}

/* Destroys the context and expects the peer to see the end of its socket. */
static void destroy_under(world *w, peer *p) {
  world_destroy(w);
  CHECK_SOON(w, p->ended || p->error);
  CHECK(world_end(w));
}

static void destroying_ends_a_transport_that_said_nothing(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  CHECK_SOON(&w, w.server->stats.transports == 1);
  destroy_under(&w, p);
}

static void destroying_ends_a_transport_in_the_middle_of_a_head(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  CHECK(peer_drip(p, "GET / HT", 8, 8));
  destroy_under(&w, p);
}

static void destroying_ends_a_held_upgrade(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_UPGRADE);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  destroy_under(&w, p);
}

static void destroying_ends_a_request_without_its_response(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, WIRE_GET WIRE_GET);
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  destroy_under(&w, p);
}

static void destroying_ends_a_body_that_is_held(void) {
  world w;
  world_begin(&w, NULL);
  peer *p = peer_open(&w);
  peer_say(p, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
  CHECK_SOON(&w, world_told(&w, LWSN_RECORD_REQUEST) == 1);
  destroy_under(&w, p);
}

static void destroying_ends_open_connections_with_half_a_message(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  uint8_t bytes[64];
  wire_open(&w, NULL);
  peer *p = wire_open(&w, NULL);
  wire_send(p, 0x02, "first", 5);
  size_t n = wire_frame(bytes, 0x80, "second", 6);
  CHECK(peer_drip(p, bytes, n - 1, n));
  destroy_under(&w, p);
}

static void destroying_ends_a_connection_with_queued_output(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  peer_read(p, false);
  static uint8_t data[8 * 1024 * 1024];
  out_message(&w, handle, 2, data, sizeof data);
  CHECK(out_queued(&w, handle) > 0);
  world_destroy(&w);
  peer_read(p, true);
  CHECK_SOON(&w, p->ended || p->error);
  CHECK(world_end(&w));
}

static void destroying_ends_a_closing_connection(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  out_close(&w, handle, 1000, "bye");
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_INT(f.first, WIRE_CLOSE);
  destroy_under(&w, p);
}

static void destroying_sends_what_was_written_before(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  lwsn_handle handle;
  peer *p = wire_open(&w, &handle);
  out_message(&w, handle, 1, "last words", 10);
  world_destroy(&w);
  frame f;
  CHECK_SOON(&w, wire_next(p, &f));
  CHECK_BYTES(f.data, f.size, "last words");
  CHECK(world_end(&w));
}

static void destroy_at_once(world *w, const event *e) {
  lwsn_record_kind when = *(lwsn_record_kind *)w->user;
  if (e->kind != when) return;
  lwsn_context_destroy(w->context, NULL, NULL);
  w->context = NULL;
  w->gone = true;
}

static void destroying_inside_a_batch_is_allowed_at_every_record(void) {
  static const lwsn_record_kind kinds[] = {LWSN_RECORD_REQUEST, LWSN_RECORD_OPEN, LWSN_RECORD_TEXT, LWSN_RECORD_PONG,
                                           LWSN_RECORD_CLOSED};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    world w;
    world_begin(&w, NULL);
    w.accepts = w.echoes = true;
    w.react = destroy_at_once;
    w.user = (void *)&kinds[i];
    peer *p = peer_open(&w);
    peer_say(p, WIRE_UPGRADE);
    wire_text(p, "hello");
    wire_send(p, WIRE_PONG, "x", 1);
    wire_close(p, 1000, NULL);
    peer_finish(p);
    CHECK_SOON(&w, !w.context);
    CHECK_SOON(&w, p->ended || p->error);
    CHECK(world_end(&w));
  }
}

static void nothing_is_told_after_destroying(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = true;
  peer *p = wire_open(&w, NULL);
  unsigned long batches = w.batches;
  wire_text(p, "never told");
  world_destroy(&w);
  CHECK_INT(w.batches, batches);
  CHECK_INT(world_told(&w, LWSN_RECORD_CLOSED), 0);
  CHECK(world_end(&w));
}

static void releasing_a_server_ends_its_transports_and_leaves_the_others(void) {
  world w;
  world_begin(&w, NULL);
  w.accepts = w.echoes = true;
  lwsn_server *first = w.server;
  lwsn_bound first_bound = w.bound;
  lwsn_server_options options = world_options();
  w.server = lwsn_server_create(&w.context->services, &options);
  lwsn_listen_options where = {.host = "127.0.0.1", .backlog = 16};
  CHECK_INT(world_listen(&w, &where, &w.bound), 0);
  peer *stays = wire_open(&w, NULL);
  peer *goes = peer_open_port(&w, 4, first_bound.port);
  wire_upgrade(goes, NULL);
  CHECK(lwsn_server_find(&w.context->services, first->id) == first);
  uint64_t id = first->id;
  lwsn_server_release(first);
  CHECK(lwsn_server_find(&w.context->services, id) == NULL);
  CHECK_SOON(&w, goes->ended && world_told(&w, LWSN_RECORD_CLOSED) == 1);
  wire_text(stays, "hello");
  frame f;
  CHECK_SOON(&w, wire_next(stays, &f));
  CHECK(world_end(&w));
}

int main(void) {
  a_context_with_nothing_comes_and_goes();
  a_context_that_ran_comes_and_goes();
  a_listening_server_goes_with_its_context();
  several_contexts_share_a_loop_and_nothing_else();
  destroying_ends_a_transport_that_said_nothing();
  destroying_ends_a_transport_in_the_middle_of_a_head();
  destroying_ends_a_held_upgrade();
  destroying_ends_a_request_without_its_response();
  destroying_ends_a_body_that_is_held();
  destroying_ends_open_connections_with_half_a_message();
  destroying_ends_a_connection_with_queued_output();
  destroying_ends_a_closing_connection();
  destroying_sends_what_was_written_before();
  destroying_inside_a_batch_is_allowed_at_every_record();
  nothing_is_told_after_destroying();
  releasing_a_server_ends_its_transports_and_leaves_the_others();
  return check_report();
}
