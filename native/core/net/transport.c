#include "net/transport.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "context/context.h"
#include "http/exchange.h"
#include "lws/wsi.h"
#include "net/introduction.h"
#include "net/proxy.h"
#include "net/server.h"
#include "net/tls.h"
#include "websocket/connection.h"
#include "websocket/receive.h"

static void fill_peer(lwsn_peer *peer, const struct sockaddr_storage *from) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  memset(peer, 0, sizeof *peer);
  if (from->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;
    peer->family = 4;
    peer->port = ntohs(in->sin_port);
    memcpy(peer->address, &in->sin_addr, 4);
  } else if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    const uint8_t *bytes = in6->sin6_addr.s6_addr;
    peer->port = ntohs(in6->sin6_port);
    /* a dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d (RFC 4291 2.5.5.2) */
    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
      peer->family = 4;
      memcpy(peer->address, bytes + 12, 4);
    } else {
      peer->family = 6;
      memcpy(peer->address, bytes, 16);
    }
  }
}

bool lwsn_transport_count(lwsn_transport *t) {
  lwsn_server *server = t->server;
  if (server->options.max_connections_per_address == 0 || t->peer.family == 0) return true;
  t->counted = lwsn_peers_add(&server->peers, t->peer.address);
  return t->counted;
}

void lwsn_transport_uncount(lwsn_transport *t) {
  if (t->counted) lwsn_peers_remove(&t->server->peers, t->peer.address);
  t->counted = false;
}

/* Its slot, the room for its last record, its place among those of its address. False: none of them. */
static bool enroll(lwsn_transport *t) {
  lwsn_context *context = t->context;
  if (!lwsn_registry_take(&context->registry, t, &t->handle)) return false;
  t->promised = lwsn_inbound_promise(&context->inbound);
  if (t->promised && lwsn_transport_count(t)) return true;
  if (t->promised) lwsn_inbound_renounce(&context->inbound);
  lwsn_registry_release(&context->registry, t->handle);
  return false;
}

lwsn_transport *lwsn_transport_create(lwsn_server *server, const struct sockaddr_storage *from) {
  lwsn_transport *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->context = server->context;
  t->server = server;
  fill_peer(&t->peer, from);
  if (!enroll(t)) {
    free(t);
    return NULL;
  }
  lwsn_list_init(&t->in_stalled);
  lwsn_list_init(&t->in_doomed);
  lwsn_list_append(&server->transports, &t->in_server);
  lwsn_timer_init(&t->timer, NULL);
  server->stats.transports++;
  return t;
}

void lwsn_transport_tell_last(lwsn_transport *t, lwsn_record *record, const void *payload, size_t size) {
  lwsn_inbound *in = &t->context->inbound;
  if (!t->promised || t->context->destroying) return;
  t->promised = false;
  uint8_t *at = lwsn_inbound_reserve(in, record, size, LWSN_KEEP_BATCH);
  if (at && size > 0) memcpy(at, payload, size);
  if (!at) record->slab = -1;
  lwsn_inbound_push_last(in, record);
}

bool lwsn_transport_adopt(lwsn_transport *t, int fd) {
  lwsn_context *context = t->context;
  lwsn_handle handle = t->handle;
  lws_adopt_desc_t description = {
      .vh = context->vhost,
      .type = LWS_ADOPT_SOCKET,
      .fd.sockfd = fd,
      .vh_prot_name = lwsn_protocols[LWSN_PROTOCOL_HTTP].name,
      .opaque = t,
  };
  if (lws_adopt_descriptor_vhost_via_info(&description)) return true;
  /* lws closed the descriptor; WSI_DESTROY freed the transport, unless it failed before there was a wsi to destroy */
  if (lwsn_registry_get(&context->registry, handle)) lwsn_transport_free(t);
  return false;
}

void lwsn_transport_free(lwsn_transport *t) {
  lwsn_server *server = t->server;
  lwsn_timer_cancel(&t->context->wheel, &t->timer);
  lwsn_queue_clear(t);
  lwsn_introduction_drop(t);
  free(t->backlog);
  free(t->host);
  lwsn_list_remove(&t->in_stalled);
  lwsn_list_remove(&t->in_doomed);
  lwsn_list_remove(&t->in_server);
  lwsn_transport_uncount(t);
  if (t->over_limit) server->over_limit--;
  lwsn_proxy_free(t->proxy);
  lwsn_tls_free(t->tls);
  if (t->promised) lwsn_inbound_renounce(&t->context->inbound);
  lwsn_registry_release(&t->context->registry, t->handle);
  if (t->watch) t->watch->transport = NULL;
  server->stats.transports--;
  free(t);
  lwsn_server_settle(server);
}

void lwsn_transport_kill(lwsn_transport *t) {
  if (t->doomed) return;
  t->doomed = true;
  if (t->exchange && lwsn_exchange_is_cut(t->exchange)) lwsn_wsi_reset(t->wsi);
  lwsn_timer_cancel(&t->context->wheel, &t->timer);
  lwsn_list_append(&t->context->doomed, &t->in_doomed);
}

void lwsn_transport_reap(lwsn_context *context) {
  while (!lwsn_list_empty(&context->doomed)) {
    lwsn_transport *t = LWSN_CONTAINER(context->doomed.next, lwsn_transport, in_doomed);
    lwsn_list_remove(&t->in_doomed);
    lwsn_wsi_kill(t->wsi); /* ends in lwsn_transport_free */
  }
}

void lwsn_transport_arm(lwsn_transport *t, uint64_t ms, void (*fire)(lwsn_timer *)) {
  lwsn_timer_cancel(&t->context->wheel, &t->timer);
  if (ms == 0 || t->doomed) return;
  t->timer.fire = fire;
  t->looked = false;
  lwsn_timer_arm(&t->context->wheel, &t->timer, lwsn_loop_present(t->context) + ms);
}

bool lwsn_transport_is_heard(lwsn_transport *t, void (*fire)(lwsn_timer *)) {
  if (t->looked || t->doomed || t->input_ended) return false;
  ssize_t n = lwsn_wsi_peek(t->wsi);
  if (n == 0 || n == -2) return false;
  lwsn_transport_arm(t, 1, fire);
  t->looked = true;
  return true;
}

bool lwsn_transport_is_taking(lwsn_transport *t, void (*fire)(lwsn_timer *)) {
  uint32_t limit = t->server->options.close_timeout;
  uint64_t silence = lwsn_loop_now(t->context) - t->last_output;
  if (!t->queue.first || silence >= limit) return false;
  lwsn_transport_arm(t, limit - silence, fire);
  return true;
}

static void end_timed_out(lwsn_timer *timer) {
  lwsn_transport *t = LWSN_CONTAINER(timer, lwsn_transport, timer);
  if (lwsn_transport_is_taking(t, end_timed_out) || lwsn_transport_is_heard(t, end_timed_out)) return;
  if (t->connection)
    lwsn_connection_drop(t->connection, "the peer did not end the network connection in time");
  else
    lwsn_transport_kill(t);
}

/* Behind the queue; nothing of it may wait. */
static void send_fin(lwsn_transport *t) {
  if (t->fin_sent || (t->peer_first && !t->input_ended)) return;
  if (t->peer_first && t->tls) lwsn_tls_end(t);
  if (t->doomed || t->queue.first) return;
  t->fin_sent = true;
  lwsn_wsi_shutdown(t->wsi);
  if (t->input_ended) lwsn_transport_kill(t);
}

void lwsn_transport_await_end(lwsn_transport *t) {
  t->peer_first = !t->ending;
  lwsn_transport_end(t);
}

void lwsn_transport_input_ended(lwsn_transport *t) {
  t->input_ended = true;
  if (t->fin_sent)
    lwsn_transport_kill(t);
  else if (t->ending && !t->queue.first)
    send_fin(t);
  lwsn_transport_update_hold(t); /* or the same end would be announced again and again */
}

void lwsn_transport_end(lwsn_transport *t) {
  if (t->doomed) return;
  if (!t->ending) {
    lwsn_transport_arm(t, t->server->options.close_timeout, end_timed_out);
    if (t->tls && !t->peer_first) lwsn_tls_end(t);
  }
  if (t->doomed) return;
  t->ending = true;
  free(t->backlog);
  t->backlog = NULL;
  if (!t->queue.first) send_fin(t);
  lwsn_transport_update_hold(t);
}

void lwsn_transport_drained(lwsn_transport *t) {
  if (t->ending) {
    lwsn_transport_arm(t, t->server->options.close_timeout, end_timed_out);
    send_fin(t);
    return;
  }
  t->wants_writable = false;
  if (t->connection)
    lwsn_connection_drained(t->connection);
  else if (t->exchange)
    lwsn_exchange_drained(t->exchange);
}

bool lwsn_transport_takes_end(lwsn_transport *t) {
  if (!t->exchange || t->doomed || (!t->queue.first && !t->backlog)) return false;
  if (lwsn_wsi_peek(t->wsi) != -1) return false;
  lwsn_transport_input_ended(t);
  if (!t->backlog) lwsn_exchange_input_used(t->exchange);
  return true;
}

void lwsn_transport_update_hold(lwsn_transport *t) {
  if (!t->watch || t->doomed) return;
  bool held = false;
  if (!t->ending) {
    const lwsn_connection *c = t->connection;
    if (c)
      held = lwsn_connection_may_send(c) && (t->paused || lwsn_connection_is_deaf(c));
    else if (t->exchange)
      held = t->paused || lwsn_exchange_holds(t->exchange);
    if (t->backlog && !held) lwsn_transport_stall(t);
  }
  lwsn_watch_hold(t->watch, held || t->input_ended);
}

void lwsn_transport_pause(lwsn_transport *t, bool paused) {
  /* what we did not read was not the peer's silence */
  if (t->paused && !paused) t->last_input = lwsn_loop_now(t->context);
  t->paused = paused;
  lwsn_transport_update_hold(t);
}

/* Whether the parser would take what is in front. */
static bool takes_input(const lwsn_transport *t) {
  if (t->doomed || t->ending) return false;
  if (t->exchange) return lwsn_exchange_wants_input(t->exchange);
  return t->connection && lwsn_receive_may_go_on(t->connection);
}

bool lwsn_transport_wants_input(const lwsn_transport *t) { return !t->backlog && takes_input(t); }

static bool keep(lwsn_transport *t, const uint8_t *data, size_t size) {
  size_t before = t->backlog ? t->backlog_size : 0;
  uint8_t *grown = realloc(t->backlog, before + size);
  if (!grown) return false;
  memcpy(grown + before, data, size);
  if (!t->backlog) t->backlog_plain = 0;
  t->backlog = grown;
  t->backlog_size = (uint32_t)(before + size);
  return true;
}

bool lwsn_transport_keep(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (!keep(t, data, size)) return false;
  t->backlog_plain = t->backlog_size;
  lwsn_transport_update_hold(t);
  return true;
}

void lwsn_transport_keep_encrypted(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (keep(t, data, size))
    lwsn_transport_update_hold(t);
  else
    lwsn_transport_failed(t, "no memory for input");
}

void lwsn_transport_leave(lwsn_transport *t) {
  lwsn_list_remove(&t->in_stalled);
  lwsn_list_append(&t->context->leaving, &t->in_stalled);
}

void lwsn_transport_stall(lwsn_transport *t) {
  if (lwsn_list_empty(&t->in_stalled)) lwsn_list_append(&t->context->stalled, &t->in_stalled);
  lwsn_loop_keep_awake(t->context, true);
}

void lwsn_transport_input(lwsn_transport *t, const uint8_t *data, size_t size) {
  t->server->stats.bytes_received += size;
  t->last_input = lwsn_loop_now(t->context);
  if (t->server->options.busy_poll > 0) lwsn_loop_busy(t->context, t->server->options.busy_poll);
  if (t->ending || t->doomed) return;
  if (t->proxy)
    lwsn_proxy_input(t, data, size);
  else
    lwsn_transport_begun_input(t, data, size);
}

void lwsn_transport_begun_input(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (t->tls)
    lwsn_tls_input(t, data, size);
  else
    lwsn_transport_plain_input(t, data, size);
}

void lwsn_transport_plain_input(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (t->connection)
    lwsn_receive_input(t->connection, data, size);
  else if (t->exchange)
    lwsn_exchange_input(t->exchange, data, size);
}

/* Plain bytes first; what is left of them is kept again, in front of the encrypted ones. */
static void take_backlog(lwsn_transport *t) {
  uint8_t *data = t->backlog;
  uint32_t size = t->backlog_size, plain = t->backlog_plain;
  t->backlog = NULL;
  if (plain > 0) lwsn_transport_plain_input(t, data, plain);
  if (plain < size) lwsn_tls_input(t, data + plain, size - plain);
  free(data);
  if (t->tls) lwsn_tls_resume(t);
}

void lwsn_transport_resume(lwsn_transport *t) {
  if (t->introduction && t->exchange) lwsn_exchange_accept_alone(t->exchange);
  if (!t->backlog) return;
  if (takes_input(t)) take_backlog(t);
  if (t->exchange && !t->backlog && t->input_ended) lwsn_exchange_input_used(t->exchange);
  lwsn_transport_update_hold(t);
}

void lwsn_transport_visit(lwsn_transport *t) {
  bool starved = t->starved;
  t->starved = false;
  lwsn_transport_resume(t);
  if (starved && !t->doomed && t->connection) lwsn_receive_read(t->connection);
}

void lwsn_transport_peer_finished(lwsn_transport *t) {
  if (t->connection) lwsn_connection_peer_finished(t->connection);
}

void lwsn_transport_secured(lwsn_transport *t) {
  if (t->exchange) lwsn_exchange_ready(t->exchange);
}

void lwsn_transport_failed(lwsn_transport *t, const char *why) {
  t->why = why;
  if (t->connection)
    lwsn_connection_drop(t->connection, why);
  else
    lwsn_transport_kill(t);
}

void lwsn_transport_take_error(lwsn_transport *t, int fd) {
  socklen_t size = sizeof t->error;
  /* asking clears it: a connection learns it from its read */
  if (t->client && t->exchange && t->error == 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &t->error, &size);
}

void lwsn_transport_lost(lwsn_transport *t) {
  if (t->connection)
    lwsn_connection_input_ended(t->connection, true);
  else
    lwsn_transport_kill(t);
}

void lwsn_transport_peer_left(lwsn_transport *t) {
  t->peer_left = true;
  if (t->connection) t->last_input = lwsn_loop_now(t->context); /* its silence begins here */
  if (t->connection)
    lwsn_receive_peer_left(t->connection);
  else if (t->exchange)
    lwsn_exchange_peer_left(t->exchange);
}
