#ifndef LWSN_TLS_SESSIONS_H
#define LWSN_TLS_SESSIONS_H

#include <openssl/ssl.h>
#include <stdbool.h>

enum {
  LWSN_TLS_SESSIONS_PER_HOST = 2, /* as many tickets as OpenSSL's servers send */
  LWSN_TLS_SESSIONS_MAX = 64,
};

/**
 * Sessions that a client may resume, newest first. They belong to one TLS
 * context, and so to one set of authorities and certificates, and to the name
 * that was verified when they began. Owned by that context.
 */
typedef struct lwsn_tls_session lwsn_tls_session;

/** Keeps a session for `host`, taking over its reference; the oldest ones make room. False: no memory, not taken. */
bool lwsn_tls_sessions_keep(lwsn_tls_session **list, const char *host, SSL_SESSION *session);

/**
 * A session to resume with `host`, and a reference to it; NULL: none. A ticket of
 * TLS 1.3 is given once (RFC 8446 C.4), since two connections with it could be linked.
 */
SSL_SESSION *lwsn_tls_sessions_take(lwsn_tls_session **list, const char *host);

/** Frees all. */
void lwsn_tls_sessions_clear(lwsn_tls_session **list);

#endif
