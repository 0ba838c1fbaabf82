/* Each place opens a connection, checks the upgrade, closes it with a handshake in order, and begins anew. */
#include "load.h"

static bool open_one(struct load *load, struct conn *conn) {
  load->in_flight++;
  return conn_open(load, conn);
}

static bool connect_start(struct load *load) {
  for (uint32_t i = 0; i < load->options.connections; i++)
    if (!open_one(load, &load->conns[i])) return false;
  return true;
}

static bool connect_opened(struct load *load, struct conn *conn) {
  static const uint8_t normal_closure[2] = {1000 >> 8, 1000 & 0xff};
  histogram_add(&load->times, load->read_at - conn->began);
  conn->state = CONN_CLOSING;
  return conn_queue(load, conn, FRAME_CLOSE, normal_closure, 2) && conn_flush(load, conn);
}

static bool no_chunk(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length) {
  (void)bytes;
  (void)length;
  return load_fail(load, "connection %u: a message came that was not sent", conn->index);
}

static bool no_message(struct load *load, struct conn *conn) { return no_chunk(load, conn, NULL, 0); }

static bool nothing(struct load *load, struct conn *conn) {
  (void)load;
  (void)conn;
  return true;
}

static bool connect_ended(struct load *load, struct conn *conn) {
  conn_close(load, conn);
  load->verified++;
  load->in_flight--;
  return !load->sending || open_one(load, conn);
}

const struct work connect_work = {connect_start, connect_opened, no_chunk, no_message, nothing, connect_ended, NULL};
