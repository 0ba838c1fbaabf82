#include "http/accepting.h"

#include "http/refusal.h"
#include "http/switching.h"
#include "net/introduction.h"
#include "net/server.h"

void lwsn_accept(lwsn_exchange *x, const char *headers, size_t size, unsigned flags) {
  lwsn_transport *t = x->transport;
  if (x->state != (x->client ? LWSN_EXCHANGE_ANSWERED : LWSN_EXCHANGE_UPGRADE) || t->ending) return;
  if (!x->client && !lwsn_switch(t, x->key, headers, size)) return; /* its end tells GONE */
  lwsn_transport_arm(t, 0, NULL);
  t->paused = false;
  t->accept_flags = flags;
  t->exchange = NULL;
  t->speech = &lwsn_silence;
  lwsn_exchange rest = *x; /* lws frees x at the promotion */
  x->transport = NULL;
  lwsn_exchange_free_head(&rest);
  if (!lwsn_wsi_promote(t->wsi)) {
    if (rest.told) lwsn_exchange_tell_end(&rest); /* OPEN was not told */
    lwsn_transport_kill(t);
    return;
  }
  lwsn_transport_update_hold(t);
}

void lwsn_accept_alone(lwsn_exchange *x) {
  lwsn_transport *t = x->transport;
  if (t->server->retiring) {
    lwsn_introduction_drop(t);
    lwsn_refuse(x, 503, "the server is closing");
    return;
  }
  lwsn_accept(x, NULL, 0, t->server->options.accept_flags);
}
