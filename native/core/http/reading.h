#ifndef LWSN_READING_H
#define LWSN_READING_H

#include "http/exchange.h"

/** Gives the peer handshakeTimeout for its head, or for the answer to ours. */
void lwsn_reading_await(lwsn_exchange *x);

/** Input, in whatever pieces: heads, bodies, answers. */
void lwsn_reading_input(lwsn_exchange *x, const uint8_t *data, size_t size);

#endif
