#include "net/transports.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "net/introduction.h"
#include "net/limits.h"
#include "net/proxy.h"
#include "net/tls.h"

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

/* Its slot, the room for its last record, its place among those of its address. False: none of them. */
static bool enroll(lwsn_transport *t) {
  lwsn_services *services = t->services;
  if (!lwsn_registry_take(&services->registry, t, &t->handle)) return false;
  t->promised = lwsn_inbound_promise(&services->inbound);
  if (t->promised && lwsn_limits_count(t)) return true;
  if (t->promised) lwsn_inbound_renounce(&services->inbound);
  lwsn_registry_release(&services->registry, t->handle);
  return false;
}

lwsn_transport *lwsn_transport_create(lwsn_server *server, const struct sockaddr_storage *from) {
  lwsn_transport *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->services = server->services;
  t->speech = &lwsn_silence;
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

bool lwsn_transport_adopt(lwsn_transport *t, int fd) {
  lwsn_services *services = t->services;
  lwsn_handle handle = t->handle;
  if (lwsn_door_adopt(services->door, fd, t)) return true;
  /* lws closed the descriptor; `destroyed` freed the transport, unless it failed before there was a wsi to destroy */
  if (lwsn_registry_get(&services->registry, handle)) lwsn_transport_free(t);
  return false;
}

void lwsn_transport_free(lwsn_transport *t) {
  lwsn_server *server = t->server;
  lwsn_timer_cancel(&t->services->wheel, &t->timer);
  lwsn_queue_clear(&t->queue);
  lwsn_introduction_drop(t);
  free(t->backlog);
  free(t->host);
  lwsn_list_remove(&t->in_stalled);
  lwsn_list_remove(&t->in_doomed);
  lwsn_list_remove(&t->in_server);
  lwsn_limits_uncount(t);
  if (t->over_limit) server->over_limit--;
  lwsn_proxy_free(t->proxy);
  lwsn_tls_free(t->tls);
  if (t->promised) lwsn_inbound_renounce(&t->services->inbound);
  lwsn_registry_release(&t->services->registry, t->handle);
  if (t->watch) lwsn_watch_leave(t->watch);
  server->stats.transports--;
  free(t);
  lwsn_server_settle(server);
}

void lwsn_server_retire(lwsn_server *server) {
  server->retiring = true;
  for (lwsn_node *node = server->transports.next; node != &server->transports; node = node->next) {
    lwsn_transport *t = LWSN_CONTAINER(node, lwsn_transport, in_server);
    if (!t->doomed) t->speech->drain(t);
  }
}

void lwsn_server_drain(lwsn_server *server) {
  server->draining = true;
  lwsn_server_retire(server);
  lwsn_server_settle(server);
}

void lwsn_server_kill_all(lwsn_server *server) {
  for (lwsn_node *node = server->transports.next; node != &server->transports; node = node->next)
    lwsn_transport_kill(LWSN_CONTAINER(node, lwsn_transport, in_server));
}
