#ifndef LWSN_TLS_H
#define LWSN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/tls_context.h"

struct lwsn_transport;

/**
 * TLS between a transport's socket and its parser: bytes go in and out through
 * memory of the environment (tls_io), so reading, queueing and backpressure are those of plain transports.
 */
typedef struct lwsn_tls lwsn_tls;

/**
 * Starts TLS on a transport. `host` (client): the name to ask for and to verify, NULL for none, valid as long as the
 * transport; with one, an earlier session with it is resumed. False: no memory.
 */
bool lwsn_tls_begin(struct lwsn_transport *t, lwsn_tls_context *context, bool client, const char *host);

/** Frees it with everything it holds. NULL is allowed. */
void lwsn_tls_free(lwsn_tls *tls);

/** A client speaks first. */
void lwsn_tls_start(struct lwsn_transport *t);

/**
 * Encrypted input; what it decrypts to goes on to the transport's parser. What nobody can take now is kept in the
 * transport's backlog: the plain bytes that the parser left, behind them what was not decrypted. OpenSSL itself keeps
 * nothing but the beginning of a record that is not whole (at most 16.7 KiB).
 */
void lwsn_tls_input(struct lwsn_transport *t, const uint8_t *data, size_t size);

/** The backlog was taken: an end of the records that came behind it has its turn. */
void lwsn_tls_resume(struct lwsn_transport *t);

/** Whether decrypted input waits in it; never, between two calls. */
bool lwsn_tls_has_input(const lwsn_tls *tls);

/** Encrypts parts and sends them; semantics of lwsn_send. Only after the handshake. */
bool lwsn_tls_send(struct lwsn_transport *t, const struct iovec *parts, int count);

/** Sends close_notify. */
void lwsn_tls_end(struct lwsn_transport *t);

/** Whether the handshake is done. */
bool lwsn_tls_ready(const lwsn_tls *tls);

/** The peer's certificate as DER, malloc'ed by OpenSSL: free with OPENSSL_free. 0: none. */
int lwsn_tls_peer_certificate(const lwsn_tls *tls, uint8_t **der);

/** Names for inspection, "" when unknown; valid while the transport lives. */
const char *lwsn_tls_version(const lwsn_tls *tls);
const char *lwsn_tls_cipher(const lwsn_tls *tls);
const char *lwsn_tls_server_name(const lwsn_tls *tls);
/** Whether an earlier session was resumed. */
bool lwsn_tls_resumed(const lwsn_tls *tls);
/** Whether the peer's certificate was verified. */
bool lwsn_tls_verified(const lwsn_tls *tls);

#endif
