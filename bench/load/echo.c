#include <string.h>

#include "load.h"

bool echo_send(struct load *load, struct conn *conn, uint64_t count) {
  uint64_t now = measure_now();
  for (; count; count--) {
    const uint8_t *bytes = payload_of(&load->payload, conn->index, conn->sent);
    if (!conn_send(load, conn, bytes, load->options.size)) return false;
    conn->sent_at[conn->sent++ % load->options.depth] = now;
    load->in_flight++;
  }
  return conn_flush(load, conn);
}

static bool echo_start(struct load *load) {
  for (uint32_t i = 0; i < load->options.connections; i++)
    if (!echo_send(load, &load->conns[i], load->options.depth)) return false;
  return true;
}

bool echo_opened(struct load *load, struct conn *conn) {
  (void)load;
  (void)conn;
  return true;
}

bool echo_chunk(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length) {
  if (conn->received == conn->sent)
    return load_fail(load, "connection %u: a message came that was not sent", conn->index);
  const uint8_t *wanted = payload_of(&load->payload, conn->index, conn->received) + conn->message_at;
  return !memcmp(wanted, bytes, length) || load_fail(load, "connection %u: message %llu came back changed", conn->index,
                                                     (unsigned long long)conn->received);
}

bool echo_take(struct load *load, struct conn *conn, uint64_t *took) {
  /* An empty message has no chunk, so the count is checked here too. */
  if (conn->received == conn->sent)
    return load_fail(load, "connection %u: a message came that was not sent", conn->index);
  *took = load->read_at - conn->sent_at[conn->received++ % load->options.depth];
  load->verified++;
  load->in_flight--;
  return true;
}

static bool echo_message(struct load *load, struct conn *conn) {
  uint64_t took;
  if (!echo_take(load, conn, &took)) return false;
  histogram_add(&load->times, took);
  return true;
}

static bool echo_settled(struct load *load, struct conn *conn) {
  uint64_t free_places = load->options.depth - (conn->sent - conn->received);
  return !load->sending || !free_places || echo_send(load, conn, free_places);
}

const struct work echo_work = {echo_start, echo_opened, echo_chunk, echo_message, echo_settled, NULL, NULL};
