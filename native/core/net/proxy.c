#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "net/limits.h"
#include "net/server.h"
#include "net/transport.h"
#include "wire/proxy_header.h"

struct lwsn_proxy {
  uint8_t *part; /* the beginning of a header that came in pieces; malloc'ed */
  size_t size;
};

bool lwsn_proxy_begin(lwsn_transport *t) {
  lwsn_limits_uncount(t);
  t->proxy = calloc(1, sizeof *t->proxy);
  return t->proxy != NULL;
}

void lwsn_proxy_free(lwsn_proxy *proxy) {
  if (!proxy) return;
  free(proxy->part);
  free(proxy);
}

/* Keeps the next piece, at most up to the largest header. False: no memory. */
static bool keep(lwsn_proxy *proxy, const uint8_t *data, size_t size) {
  size_t room = LWSN_PROXY_MAX - proxy->size;
  size_t take = size < room ? size : room;
  uint8_t *grown = realloc(proxy->part, proxy->size + take);
  if (!grown) return false;
  memcpy(grown + proxy->size, data, take);
  proxy->part = grown;
  proxy->size += take;
  return true;
}

static void refuse(lwsn_transport *t) {
  t->server->stats.refused++;
  lwsn_transport_kill(t);
}

/* The header is whole: the transport begins, under the address it told. */
static void begin(lwsn_transport *t, const lwsn_proxy_source *source) {
  lwsn_proxy_free(t->proxy);
  t->proxy = NULL;
  t->proxy_tls = source->secure;
  if (source->known) {
    t->peer = (lwsn_peer){.family = source->family, .port = source->port};
    memcpy(t->peer.address, source->address, sizeof t->peer.address);
  }
  if (!lwsn_limits_count(t)) {
    refuse(t);
    return;
  }
  lwsn_limits_apply(t);
  t->speech->begin(t);
}

size_t lwsn_proxy_take(lwsn_transport *t, const uint8_t *data, size_t size) {
  lwsn_proxy *proxy = t->proxy;
  lwsn_proxy_source source;
  size_t before = proxy->size;
  int length = before == 0 ? lwsn_proxy_header_parse(data, size, &source) : LWSN_PROXY_MORE;
  if (length == LWSN_PROXY_MORE) {
    if (!keep(proxy, data, size)) {
      refuse(t);
      return size;
    }
    length = lwsn_proxy_header_parse(proxy->part, proxy->size, &source);
  }
  if (length == LWSN_PROXY_MORE) return size;
  if (length == LWSN_PROXY_MALFORMED) {
    refuse(t);
    return size;
  }
  begin(t, &source);
  return (size_t)length - before;
}
