#include "websocket/connection.h"

#include <stdlib.h>
#include <string.h>

#include "net/ending.h"
#include "net/introduction.h"
#include "net/send.h"
#include "net/server.h"
#include "wire/frame.h"

static lwsn_record record_for(const lwsn_connection *c, lwsn_record_kind kind) {
  lwsn_handle handle = c->transport->handle;
  return (lwsn_record){.kind = kind, .slot = handle.slot, .generation = handle.generation, .slab = -1};
}

/* False: no memory, nobody was told. Of a connection that is unknown there is no such news. */
static bool tell(lwsn_connection *c, lwsn_record_kind kind, uint32_t detail) {
  lwsn_services *services = c->transport->services;
  lwsn_record record = record_for(c, kind);
  record.detail = detail;
  if (services->destroying || c->transport->introduction) return true;
  if (!lwsn_inbound_push(&services->inbound, &record)) return false;
  /* of what comes behind the peer's end nothing is waited for: it could go on for ever */
  if (!lwsn_connection_is_deaf(c)) c->told = lwsn_inbound_end(&services->inbound);
  return true;
}

static bool tell_or_drop(lwsn_connection *c, lwsn_record_kind kind, uint32_t detail) {
  if (tell(c, kind, detail)) return true;
  lwsn_connection_drop(c, "no memory to tell an event");
  return false;
}

static void tell_closed(lwsn_connection *c, unsigned code, bool clean, const void *reason, size_t size) {
  lwsn_transport *t = c->transport;
  /* the end of a connection that is unknown may be all there is to tell of it */
  if (t->introduction && (!t->server->options.tells_closed || t->services->destroying || !lwsn_introduce(t))) return;
  lwsn_record record = record_for(c, LWSN_RECORD_CLOSED);
  record.detail = code;
  record.extra = clean;
  lwsn_transport_tell_last(t, &record, reason, size);
}

static bool set_up_deflate(lwsn_connection *c, uint32_t flags) {
  lwsn_deflate_options options = {
      .own_window_bits = (flags >> LWSN_CONNECTION_OWN_WINDOW) & 15,
      .peer_window_bits = (flags >> LWSN_CONNECTION_PEER_WINDOW) & 15,
      .level = (flags >> LWSN_CONNECTION_LEVEL) & 15,
      .mem_level = (flags >> LWSN_CONNECTION_MEM_LEVEL) & 15,
      .own_takeover = (flags & LWSN_CONNECTION_OWN_TAKEOVER) != 0,
      .peer_takeover = (flags & LWSN_CONNECTION_PEER_TAKEOVER) != 0,
      .threshold = c->transport->server->options.deflate_threshold,
  };
  c->deflate = lwsn_deflate_create(&c->transport->services->deflate, &options);
  return c->deflate != NULL;
}

void lwsn_connection_stop_reading(lwsn_connection *c) {
  lwsn_incoming_clear_message(&c->rx, &c->transport->services->inbound);
  if (c->deflate) lwsn_inflate_stop(c->deflate);
}

static void clear(lwsn_connection *c) {
  lwsn_connection_stop_reading(c);
  lwsn_incoming_clear(&c->rx, &c->transport->services->inbound);
}

bool lwsn_connection_established(lwsn_connection *c, lwsn_transport *t, uint32_t flags) {
  c->transport = t;
  t->connection = c;
  c->client = t->client;
  c->fragments = (flags & LWSN_CONNECTION_FRAGMENTS) != 0;
  c->pongs = (flags & LWSN_CONNECTION_PONGS) != 0;
  c->transient = (flags & LWSN_CONNECTION_TRANSIENT) != 0;
  if (flags & LWSN_CONNECTION_DEFLATE && !set_up_deflate(c, flags)) return false;
  if (!tell(c, LWSN_RECORD_OPEN, 0)) return false;
  c->state = LWSN_CONNECTION_OPEN;
  lwsn_utf8_reset(&c->rx.utf8);
  t->server->stats.opened++;
  t->server->stats.connections++;
  return true;
}

void lwsn_connection_closed(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  if (!t) return;
  if (c->state >= LWSN_CONNECTION_OPEN && c->state <= LWSN_CONNECTION_CLOSING) {
    t->server->stats.closed++;
    t->server->stats.connections--;
    bool clean = c->close_sent && c->close_received && t->fin_sent && t->input_ended;
    unsigned code = c->close_received ? c->code : LWSN_CLOSE_ABNORMAL;
    if (c->close_received)
      tell_closed(c, code, clean, c->reason, c->reason_size);
    else
      tell_closed(c, code, false, c->why, c->why ? strlen(c->why) : 0);
  }
  c->state = LWSN_CONNECTION_DEAD;
  lwsn_transport_unsubscribe(t);
  clear(c);
  free(c->reason);
  free(c->pong);
  lwsn_deflate_free(c->deflate);
  c->deflate = NULL;
  c->reason = c->pong = NULL;
  t->connection = NULL;
  t->speech = &lwsn_silence;
  c->transport = NULL;
}

bool lwsn_connection_may_send(const lwsn_connection *c) {
  return c->state == LWSN_CONNECTION_OPEN || c->state == LWSN_CONNECTION_LEAVING;
}

static void close_timed_out(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  if (lwsn_transport_is_taking(t, close_timed_out) || lwsn_transport_is_heard(t, close_timed_out)) return;
  if (t->connection) lwsn_connection_drop(t->connection, "the peer did not finish the closing handshake in time");
}

static bool send_control(lwsn_connection *c, unsigned opcode, const uint8_t *payload, size_t size) {
  uint8_t frame[LWSN_FRAME_HEADER_MAX + LWSN_CONTROL_MAX];
  uint8_t *body = frame + LWSN_FRAME_HEADER_MAX;
  if (size > 0) memcpy(body, payload, size);
  uint8_t *start = lwsn_frame_seal(lwsn_connection_masks(c), body, size, opcode);
  struct iovec part = {start, (size_t)(body + size - start)};
  return lwsn_send(c->transport, &part, 1);
}

static void stop_sending(lwsn_connection *c) {
  c->state = LWSN_CONNECTION_CLOSING;
  lwsn_transport_unsubscribe(c->transport);
}

static bool send_close(lwsn_connection *c, const uint8_t *payload, size_t size) {
  lwsn_transport *t = c->transport;
  c->close_sent = true;
  stop_sending(c);
  lwsn_transport_arm(t, t->server->options.close_timeout, close_timed_out);
  return send_control(c, LWSN_OP_CLOSE, payload, size);
}

/* Both halves of the handshake are there, or there will be no other: TCP ends. */
static void part(lwsn_connection *c) {
  if (c->client && c->close_received && !c->failed)
    lwsn_transport_await_end(c->transport);
  else
    lwsn_transport_end(c->transport);
}

void lwsn_connection_close(lwsn_connection *c, const uint8_t *payload, size_t size) {
  if (!lwsn_connection_may_send(c)) return;
  if (!c->why) c->why = "the peer did not answer the close frame";
  lwsn_connection_stop_reading(c);
  if (!send_close(c, payload, size)) return;
  if (lwsn_connection_is_deaf(c))
    part(c);
  else
    lwsn_transport_update_hold(c->transport); /* a paused connection must still see the peer's close frame */
}

/* RFC 6455 5.5.1: typically echoes the status code; the reason goes with it, as browsers show it to the page. */
static size_t answering(const lwsn_connection *c, uint8_t payload[LWSN_CONTROL_MAX]) {
  if (!c->failed && c->code == LWSN_CLOSE_NO_STATUS) return 0;
  const void *reason = c->failed ? (const void *)c->why : c->reason;
  size_t size = !reason ? 0 : c->failed ? strlen(c->why) : c->reason_size;
  if (size > LWSN_CONTROL_MAX - 2) size = LWSN_CONTROL_MAX - 2;
  payload[0] = (uint8_t)(c->code >> 8);
  payload[1] = (uint8_t)c->code;
  if (reason) memcpy(payload + 2, reason, size);
  return 2 + size;
}

void lwsn_connection_answer(lwsn_connection *c) {
  if (!lwsn_connection_may_send(c) || !lwsn_connection_is_deaf(c)) return;
  if (c->failed || c->close_received) {
    uint8_t payload[LWSN_CONTROL_MAX];
    size_t size = answering(c, payload);
    if (!send_close(c, payload, size)) return;
  } else {
    stop_sending(c);
  }
  part(c);
}

bool lwsn_connection_tell_closing(lwsn_connection *c) {
  if (c->told > c->transport->services->inbound.delivered) return false;
  if (c->state == LWSN_CONNECTION_OPEN && tell_or_drop(c, LWSN_RECORD_CLOSING, LWSN_CLOSING_PEER))
    c->state = LWSN_CONNECTION_LEAVING;
  return true;
}

/*
 * The peer began the end. Handlers that have not run yet, or whose promises have not, may still send: so CLOSING is told
 * behind the batch of its last record, and its answer follows whatever they sent. Who was told of nothing sends nothing.
 */
static void leave(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  if (t->introduction)
    lwsn_connection_answer(c);
  else if (!lwsn_connection_tell_closing(c))
    lwsn_transport_leave(t);
  lwsn_transport_update_hold(t);
}

void lwsn_connection_fail(lwsn_connection *c, unsigned code, const char *why) {
  if (c->failed || c->state == LWSN_CONNECTION_DEAD) return;
  c->failed = true;
  c->why = why;
  clear(c);
  if (!lwsn_connection_may_send(c)) {
    lwsn_transport_end(c->transport);
    return;
  }
  c->code = (uint16_t)code;
  leave(c);
}

void lwsn_connection_overflow(lwsn_connection *c) {
  if (c->state == LWSN_CONNECTION_OPEN && tell_or_drop(c, LWSN_RECORD_CLOSING, LWSN_CLOSING_OURS))
    c->state = LWSN_CONNECTION_LEAVING;
}

void lwsn_connection_drop(lwsn_connection *c, const char *why) {
  if (!lwsn_connection_is_deaf(c)) c->why = why; /* what came first is the cause */
  stop_sending(c);
  lwsn_transport_kill(c->transport);
}

void lwsn_connection_peer_closed(lwsn_connection *c, unsigned code, const uint8_t *reason, size_t size) {
  c->close_received = true;
  lwsn_connection_stop_reading(c);
  c->code = (uint16_t)code;
  c->reason = size > 0 ? malloc(size) : NULL;
  if (c->reason) {
    memcpy(c->reason, reason, size);
    c->reason_size = (uint8_t)size;
  }
  if (lwsn_connection_may_send(c))
    leave(c);
  else
    part(c);
}

void lwsn_connection_answer_ping(lwsn_connection *c, const uint8_t *payload, size_t size) {
  lwsn_transport *t = c->transport;
  if (!lwsn_connection_may_send(c)) return;
  if (t->queue.first) {
    /* RFC 6455 5.5.3 allows to answer only the latest: a flood does not grow the queue */
    if (!c->pong && !(c->pong = malloc(1 + LWSN_CONTROL_MAX))) return;
    c->pong[0] = (uint8_t)size;
    memcpy(c->pong + 1, payload, size);
    return;
  }
  send_control(c, LWSN_OP_PONG, payload, size);
}

void lwsn_connection_ping(lwsn_connection *c) {
  if (lwsn_connection_may_send(c)) send_control(c, LWSN_OP_PING, NULL, 0);
}

void lwsn_connection_peer_finished(lwsn_connection *c) {
  bool before = lwsn_connection_is_deaf(c);
  if (!before)
    c->why = c->close_sent ? "the peer ended the network connection without answering the close frame"
                           : "the peer ended the network connection without a close frame";
  c->ended = true;
  if (!lwsn_connection_may_send(c))
    lwsn_transport_end(c->transport);
  else if (!before)
    leave(c);
}

void lwsn_connection_input_ended(lwsn_connection *c, bool failed) {
  lwsn_transport *t = c->transport;
  if (failed) {
    if (!lwsn_connection_is_deaf(c)) c->why = "the network connection failed";
    lwsn_transport_kill(t);
    return;
  }
  lwsn_transport_input_ended(t);
  lwsn_connection_peer_finished(c);
}

void lwsn_connection_want_writable(lwsn_connection *c) {
  if (!lwsn_connection_may_send(c)) return;
  c->transport->wants_writable = true;
  lwsn_wsi_await_writable(c->transport->wsi);
}

void lwsn_connection_drained(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  if (c->close_sent) lwsn_transport_arm(t, t->server->options.close_timeout, close_timed_out);
  if (c->pong && lwsn_connection_may_send(c)) {
    uint8_t *pong = c->pong;
    c->pong = NULL;
    lwsn_connection_answer_ping(c, pong + 1, pong[0]);
    free(pong);
  }
  if (lwsn_connection_may_send(c)) tell_or_drop(c, LWSN_RECORD_WRITABLE, 0);
}
