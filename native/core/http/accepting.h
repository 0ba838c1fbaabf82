#ifndef LWSN_ACCEPTING_H
#define LWSN_ACCEPTING_H

#include "http/exchange.h"

/**
 * Accepts a held upgrade: 101 with `headers` (whole lines), then ESTABLISHED.
 * `flags`: of the connection (websocket/connection.h). The exchange is gone afterwards.
 */
void lwsn_accept(lwsn_exchange *x, const char *headers, size_t size, unsigned flags);

/**
 * Accepts a held upgrade that nobody else decides about (net/introduction.h). Not
 * under lws: the exchange is gone afterwards.
 */
void lwsn_accept_alone(lwsn_exchange *x);

#endif
