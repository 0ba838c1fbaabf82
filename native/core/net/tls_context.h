#ifndef LWSN_TLS_CONTEXT_H
#define LWSN_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/tls_sessions.h"

/** Bytes of a caller; read during the call only. `data` NULL: not given. */
typedef struct lwsn_bytes {
  const uint8_t *data;
  size_t size;
} lwsn_bytes;

/** What a context is made of. PEM unless said otherwise. */
typedef struct lwsn_tls_options {
  lwsn_bytes cert; /* leaf first, then its chain */
  lwsn_bytes key;
  lwsn_bytes pfx; /* PKCS#12, instead of cert and key */
  lwsn_bytes ca;  /* who may have signed the peer */
  const char *passphrase;
  const char *ciphers;       /* TLS 1.2, OpenSSL syntax */
  const char *cipher_suites; /* TLS 1.3 */
  const char *groups;
  int min_version, max_version; /* TLS1_2_VERSION ...; 0: OpenSSL's */
  bool client;
  bool default_paths; /* beside `ca`, those of OpenSSL's places, SSL_CERT_FILE and SSL_CERT_DIR */
  bool ask_peer;      /* a server asks for a certificate */
  bool verify_peer;   /* a bad or absent one ends the handshake */
} lwsn_tls_options;

/**
 * A filled SSL_CTX, shared by reference: by its server or client and by every
 * transport that began with it, so that it can be replaced under traffic.
 */
typedef struct lwsn_tls_context {
  SSL_CTX *ssl;
  unsigned refs;
  struct lwsn_tls_name *names; /* contexts by server name (SNI, RFC 6066 3) */
  char *groups;                /* as given; NULL: OpenSSL's */
  lwsn_tls_session *sessions;  /* of a client, to be resumed */
} lwsn_tls_context;

/** Whose sessions are kept: a client's app data of its SSL, valid as long as that. */
typedef struct lwsn_tls_owner {
  lwsn_tls_context *context;
  const char *host; /* NULL: nothing is kept */
} lwsn_tls_owner;

/**
 * Makes a context with one reference. NULL: `why` is filled with a sentence,
 * OpenSSL's words included.
 */
lwsn_tls_context *lwsn_tls_context_create(const lwsn_tls_options *options, char why[256]);
void lwsn_tls_context_ref(lwsn_tls_context *context);
/** NULL is allowed. */
void lwsn_tls_context_unref(lwsn_tls_context *context);

/** Uses `other` for clients that ask for `name`; "*.example.org" matches one label. False: no memory. */
bool lwsn_tls_context_add_name(lwsn_tls_context *context, const char *name, lwsn_tls_context *other);

#endif
