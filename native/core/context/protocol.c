#include <libwebsockets.h>

#include "context/context.h"
#include "http/exchange.h"
#include "net/server.h"
#include "net/transport.h"
#include "websocket/connection.h"

static int on_raw_adopt(struct lws *wsi, lwsn_exchange *x, lwsn_transport *t) {
  if (!t || !x) return -1; /* no x: lws had no memory for it, and goes on all the same */
  t->wsi = wsi;
  t->watch = lwsn_loop_watch(t->context, lws_get_socket_fd(wsi));
  if (!t->watch) return -1;
  t->watch->transport = t;
  lwsn_exchange_begin(x, t);
  return t->doomed ? -1 : 0;
}

static int on_established(lwsn_connection *c, lwsn_transport *t) {
  if (!t || t->doomed) return -1;
  return lwsn_connection_established(c, t, t->accept_flags) ? 0 : -1;
}

/*
 * One callback for all protocols. It moves nothing itself: it finds our struct,
 * calls the room that is meant, and never closes a wsi under lws's feet.
 */
static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
  switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT: return on_raw_adopt(wsi, user, lws_get_opaque_user_data(wsi));
    case LWS_CALLBACK_RAW_RX: lwsn_transport_input(lws_get_opaque_user_data(wsi), in, len); return 0;
    case LWS_CALLBACK_RAW_CLOSE:
      if (user) lwsn_exchange_closed(user);
      return 0;
    case LWS_CALLBACK_ESTABLISHED: return on_established(user, lws_get_opaque_user_data(wsi));
    case LWS_CALLBACK_RECEIVE: lwsn_receive_read(user); return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
    case LWS_CALLBACK_SERVER_WRITEABLE: lwsn_send_pending(lws_get_opaque_user_data(wsi)); return 0;
    case LWS_CALLBACK_CLOSED:
      if (user) lwsn_connection_closed(user);
      return 0;
    case LWS_CALLBACK_WSI_DESTROY: {
      /* the only callback that is certain (facts 1.4), so the only place that frees */
      lwsn_transport *t = lws_get_opaque_user_data(wsi);
      if (!t) return 0;
      if (t->connection) lwsn_connection_closed(t->connection);
      if (t->exchange) lwsn_exchange_closed(t->exchange);
      lws_set_opaque_user_data(wsi, NULL);
      lwsn_transport_free(t);
      return 0;
    }
    default: return 0;
  }
}

const struct lws_protocols lwsn_protocols[] = {
    [LWSN_PROTOCOL_HTTP] = {.name = "lwsn-http", .callback = callback, .per_session_data_size = sizeof(lwsn_exchange)},
    [LWSN_PROTOCOL_WS] = {.name = "lwsn-ws", .callback = callback, .per_session_data_size = sizeof(lwsn_connection)},
    LWS_PROTOCOL_LIST_TERM,
};
