/* The first `senders` connections flood, with `depth` messages in flight; each of the others sends one, and the next
 * `pace` after it came back. Only the messages of these quiet ones are timed. */
#include <stdlib.h>

#include "load.h"

/* Every quiet connection waits equally long, so they come due in the order in which they began to wait. */
struct mixed {
  uint32_t *waiting; /* ring of connections */
  uint32_t from, count;
};

bool mixed_init(struct load *load) {
  struct mixed *m = load->mixed = calloc(1, sizeof *m);
  if (m) m->waiting = malloc(load->options.connections * sizeof *m->waiting);
  return (m && m->waiting) || load_fail(load, "out of memory");
}

void mixed_free(struct load *load) {
  if (load->mixed) free(load->mixed->waiting);
  free(load->mixed);
}

static bool floods(const struct load *load, const struct conn *conn) { return conn->index < load->options.senders; }

static void wait_until(struct load *load, struct conn *conn, uint64_t due) {
  struct mixed *m = load->mixed;
  conn->due = due;
  m->waiting[(m->from + m->count++) % load->options.connections] = conn->index;
}

static bool mixed_start(struct load *load) {
  const struct load_options *o = &load->options;
  uint64_t now = measure_now(), pace = (uint64_t)(o->pace * 1e9);
  for (uint32_t i = 0; i < o->connections; i++) {
    struct conn *conn = &load->conns[i];
    if (!floods(load, conn))
      wait_until(load, conn, now + pace * i / o->connections); /* one after the other, and not all at once */
    else if (!echo_send(load, conn, o->depth))
      return false;
  }
  return true;
}

static bool mixed_message(struct load *load, struct conn *conn) {
  uint64_t took;
  if (!echo_take(load, conn, &took)) return false;
  if (!floods(load, conn)) histogram_add(&load->times, took);
  return true;
}

static bool mixed_settled(struct load *load, struct conn *conn) {
  uint64_t in_flight = conn->sent - conn->received;
  if (!load->sending) return true;
  if (floods(load, conn))
    return in_flight == load->options.depth || echo_send(load, conn, load->options.depth - in_flight);
  if (in_flight == 0 && conn->due == 0) wait_until(load, conn, load->read_at + (uint64_t)(load->options.pace * 1e9));
  return true;
}

static bool mixed_tick(struct load *load, uint64_t now) {
  struct mixed *m = load->mixed;
  while (m->count > 0) {
    struct conn *conn = &load->conns[m->waiting[m->from]];
    if (conn->due > now) return true;
    m->from = (m->from + 1) % load->options.connections;
    m->count--;
    conn->due = 0;
    if (!echo_send(load, conn, 1)) return false;
  }
  return true;
}

const struct work mixed_work = {mixed_start, echo_opened, echo_chunk, mixed_message, mixed_settled, NULL, mixed_tick};
