#include "lws/wsi.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/socket.h"
#include "lws/protocols.h"
#include "private-lib-core.h"

bool lwsn_wsi_promote(lwsn_wsi *wsi) {
  const struct lws_protocols *protocol = &wsi->a.vhost->protocols[LWSN_PROTOCOL_WS];
  /* without the payload buffers at its end: lws sends and receives no control frame here (patch 0001) */
  wsi->ws = lws_zalloc(offsetof(struct _lws_websocket_related, ping_payload_buf), "ws struct");
  if (!wsi->ws) return false;
  wsi->ws->ietf_spec_revision = 13;
  wsi->ws->user_framing = 1;
  wsi->hdr_parsing_completed = 1;
  wsi->retry_policy = NULL; /* else lws would time its silence and ping: base/wheel does */
  if (lws_bind_protocol(wsi, protocol, __func__)) {
    lws_free_set_NULL(wsi->ws); /* lws frees it only in the ws role */
    return false;
  }
  lws_role_transition(wsi, LWSIFR_SERVER, LRS_ESTABLISHED, &role_ops_ws);
  bool established = lws_server_init_wsi_for_ws(wsi) == 0;
  lws_free_set_NULL(wsi->ws->rx_ubuf); /* of one byte (door.c): lws parses no frame here */
  return established;
}

void lwsn_wsi_await_writable(lwsn_wsi *wsi) { lws_callback_on_writable(wsi); }

ssize_t lwsn_wsi_peek(lwsn_wsi *wsi) {
  uint8_t byte;
  ssize_t n = recv(wsi->desc.sockfd, &byte, 1, MSG_PEEK);
  if (n > 0) return n;
  if (n == 0) return -1;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -2;
}

ssize_t lwsn_wsi_write(lwsn_wsi *wsi, const struct iovec *parts, int count) {
  struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
  ssize_t n = count == 1 ? send(wsi->desc.sockfd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                         : sendmsg(wsi->desc.sockfd, &message, MSG_NOSIGNAL);
  if (n >= 0) return n;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

void lwsn_wsi_shutdown(lwsn_wsi *wsi) { shutdown(wsi->desc.sockfd, SHUT_WR); }

void lwsn_wsi_reset(lwsn_wsi *wsi) {
  struct linger linger = {.l_onoff = 1};
  setsockopt(wsi->desc.sockfd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

#ifndef TCP_KEEPIDLE
#define TCP_KEEPIDLE TCP_KEEPALIVE /* macOS */
#endif

void lwsn_wsi_probe(lwsn_wsi *wsi, uint64_t ms) {
  enum { PROBES = 3 };
  int fd = wsi->desc.sockfd, on = 1, probes = PROBES;
  int idle = (int)(ms / 2000), between = (int)(ms / 2000 / PROBES);
  if (idle < 1) idle = 1;
  if (between < 1) between = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void lwsn_wsi_kill(lwsn_wsi *wsi) { lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC); }
