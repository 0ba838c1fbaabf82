#ifndef LWSN_PROXY_H
#define LWSN_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lwsn_transport;

/** The header of the PROXY protocol that a transport waits for before anything else. */
typedef struct lwsn_proxy lwsn_proxy;

/**
 * Makes a transport that was just accepted wait for the header. Until then it
 * counts for no address, and neither TLS nor an answer begins. False: no memory.
 */
bool lwsn_proxy_begin(struct lwsn_transport *t);

/** Input while the header is awaited. Returns how many bytes belong to it; what is behind them is the transport's. */
size_t lwsn_proxy_take(struct lwsn_transport *t, const uint8_t *data, size_t size);

/** NULL is allowed. */
void lwsn_proxy_free(lwsn_proxy *proxy);

#endif
