#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct lwsn_tls_name {
  struct lwsn_tls_name *next;
  lwsn_tls_context *context;
  char name[];
} lwsn_tls_name;

static bool say(char why[256], const char *what) {
  unsigned long code = ERR_get_error();
  char text[160] = "";
  if (code) ERR_error_string_n(code, text, sizeof text);
  snprintf(why, 256, "%s%s%s", what, code ? ": " : "", text);
  ERR_clear_error();
  return false;
}

static int give_passphrase(char *buffer, int size, int writing, void *data) {
  (void)writing;
  const char *passphrase = data;
  if (!passphrase) return 0; /* never ask on the terminal */
  int length = (int)strlen(passphrase);
  if (length > size) return 0;
  memcpy(buffer, passphrase, (size_t)length);
  return length;
}

static BIO *reader(lwsn_bytes bytes) { return BIO_new_mem_buf(bytes.data, (int)bytes.size); }

static bool use_chain(SSL_CTX *ssl, lwsn_bytes pem, char why[256]) {
  BIO *bio = reader(pem);
  X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, give_passphrase, NULL) : NULL;
  bool fine = leaf && SSL_CTX_use_certificate(ssl, leaf) == 1;
  X509_free(leaf);
  X509 *issuer;
  while (fine && (issuer = PEM_read_bio_X509(bio, NULL, give_passphrase, NULL)) != NULL) {
    fine = SSL_CTX_add0_chain_cert(ssl, issuer) == 1;
    if (!fine) X509_free(issuer);
  }
  BIO_free(bio);
  /* the end of the file is no error */
  fine = fine && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!fine) return say(why, "the certificate could not be read");
  ERR_clear_error();
  return true;
}

static bool use_key(SSL_CTX *ssl, lwsn_bytes pem, const char *passphrase, char why[256]) {
  BIO *bio = reader(pem);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)passphrase) : NULL;
  BIO_free(bio);
  bool fine = key && SSL_CTX_use_PrivateKey(ssl, key) == 1;
  EVP_PKEY_free(key);
  if (!fine) return say(why, "the private key could not be used");
  return SSL_CTX_check_private_key(ssl) == 1 || say(why, "the private key does not belong to the certificate");
}

static bool use_pfx(SSL_CTX *ssl, lwsn_bytes der, const char *passphrase, char why[256]) {
  BIO *bio = reader(der);
  PKCS12 *bag = bio ? d2i_PKCS12_bio(bio, NULL) : NULL;
  BIO_free(bio);
  EVP_PKEY *key = NULL;
  X509 *leaf = NULL;
  STACK_OF(X509) *issuers = NULL;
  bool fine = bag && PKCS12_parse(bag, passphrase ? passphrase : "", &key, &leaf, &issuers) == 1;
  fine = fine && leaf && key && SSL_CTX_use_certificate(ssl, leaf) == 1 && SSL_CTX_use_PrivateKey(ssl, key) == 1;
  for (int i = 0; fine && i < sk_X509_num(issuers); i++)
    fine = SSL_CTX_add1_chain_cert(ssl, sk_X509_value(issuers, i)) == 1;
  PKCS12_free(bag);
  EVP_PKEY_free(key);
  X509_free(leaf);
  sk_X509_pop_free(issuers, X509_free);
  return fine || say(why, "the PKCS#12 file could not be used");
}

static bool use_ca(SSL_CTX *ssl, lwsn_bytes pem, bool client, char why[256]) {
  BIO *bio = reader(pem);
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  int count = 0;
  X509 *ca;
  while (bio && (ca = PEM_read_bio_X509(bio, NULL, give_passphrase, NULL)) != NULL) {
    if (X509_STORE_add_cert(store, ca) == 1) count++;
    if (!client) SSL_CTX_add_client_CA(ssl, ca);
    X509_free(ca);
  }
  BIO_free(bio);
  if (count == 0) return say(why, "no certificate authority could be read");
  ERR_clear_error();
  return true;
}

static bool matches(const char *pattern, const char *name) {
  if (strcasecmp(pattern, name) == 0) return true;
  if (strncmp(pattern, "*.", 2) != 0) return false;
  const char *rest = strchr(name, '.');
  return rest && rest != name && strcasecmp(pattern + 1, rest) == 0;
}

/* RFC 6066 3: a list with at most one host name in it. False: none was sent. */
static bool asked_name(SSL *ssl, char name[256]) {
  const unsigned char *ext;
  size_t size;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &size) != 1 || size < 5) return false;
  size_t length = (size_t)ext[3] << 8 | ext[4];
  if (ext[2] != TLSEXT_NAMETYPE_host_name || length != size - 5 || length == 0 || length > 255) return false;
  memcpy(name, ext + 5, length);
  name[length] = 0;
  return strlen(name) == length;
}

/* SSL_set_SSL_CTX takes over certificate, ciphers and authorities; the rest was copied when the SSL was made. */
static bool switch_to(SSL *ssl, const lwsn_tls_context *context) {
  SSL_CTX *chosen = context->ssl;
  if (!SSL_set_SSL_CTX(ssl, chosen)) return false;
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(chosen), SSL_CTX_get_verify_callback(chosen));
  if (context->groups && SSL_set1_groups_list(ssl, context->groups) != 1) return false;
  return SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(chosen)) == 1 &&
         SSL_set_max_proto_version(ssl, (int)SSL_CTX_get_max_proto_version(chosen)) == 1;
}

/* On the ClientHello, before version and resumption are decided: a server_name callback comes after both. */
static int choose_context(SSL *ssl, int *alert, void *data) {
  lwsn_tls_context *context = data;
  char name[256];
  if (!context->names || !asked_name(ssl, name)) return SSL_CLIENT_HELLO_SUCCESS;
  for (lwsn_tls_name *n = context->names; n; n = n->next) {
    if (!matches(n->name, name)) continue;
    if (switch_to(ssl, n->context)) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

/* Without it OpenSSL does not keep the name with the session. */
static int accept_name(SSL *ssl, int *alert, void *data) {
  (void)ssl;
  (void)alert;
  (void)data;
  return SSL_TLSEXT_ERR_OK;
}

/* Only HTTP/1.1 is spoken here; a client that knows none of it is refused (RFC 7301 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in,
                           unsigned int in_size, void *data) {
  (void)ssl;
  (void)data;
  static const unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char *chosen;
  if (SSL_select_next_proto(&chosen, size, ours, sizeof ours, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/* In TLS 1.3 tickets come after the handshake, any number of them. 1: the reference is ours. */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
  const lwsn_tls_owner *owner = SSL_get_app_data(ssl);
  return owner && owner->host && lwsn_tls_sessions_keep(&owner->context->sessions, owner->host, session);
}

static bool set_limits(SSL_CTX *ssl, const lwsn_tls_options *o, char why[256]) {
  if (o->min_version && SSL_CTX_set_min_proto_version(ssl, o->min_version) != 1)
    return say(why, "the minimum TLS version is not supported");
  if (o->max_version && SSL_CTX_set_max_proto_version(ssl, o->max_version) != 1)
    return say(why, "the maximum TLS version is not supported");
  if (o->ciphers && SSL_CTX_set_cipher_list(ssl, o->ciphers) != 1) return say(why, "no cipher matches");
  if (o->cipher_suites && SSL_CTX_set_ciphersuites(ssl, o->cipher_suites) != 1)
    return say(why, "no cipher suite matches");
  if (o->groups && SSL_CTX_set1_groups_list(ssl, o->groups) != 1) return say(why, "no group matches");
  return true;
}

static int accept_any(int ok, X509_STORE_CTX *store) {
  (void)ok;
  (void)store;
  return 1;
}

static void set_verification(SSL_CTX *ssl, const lwsn_tls_options *o) {
  if (o->client) {
    SSL_CTX_set_verify(ssl, o->verify_peer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  } else if (o->ask_peer) {
    int mode = SSL_VERIFY_PEER | (o->verify_peer ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(ssl, mode, o->verify_peer ? NULL : accept_any);
  }
}

static bool fill(lwsn_tls_context *context, const lwsn_tls_options *o, char why[256]) {
  SSL_CTX *ssl = context->ssl;
  /* its own: what one server name granted, as a session without client certificate, resumes on no other */
  unsigned char session[SSL_MAX_SID_CTX_LENGTH];
  static const unsigned char protocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  if (RAND_bytes(session, sizeof session) != 1 || SSL_CTX_set_session_id_context(ssl, session, sizeof session) != 1)
    return say(why, "no random bytes");
  if (o->groups && !(context->groups = strdup(o->groups))) return say(why, "out of memory");
  if (!set_limits(ssl, o, why)) return false;
  if (o->pfx.data && !use_pfx(ssl, o->pfx, o->passphrase, why)) return false;
  if (o->cert.data && !use_chain(ssl, o->cert, why)) return false;
  if (o->key.data && !use_key(ssl, o->key, o->passphrase, why)) return false;
  if (o->ca.data && !use_ca(ssl, o->ca, o->client, why)) return false;
  if (o->default_paths && SSL_CTX_set_default_verify_paths(ssl) != 1)
    return say(why, "the system's certificate authorities could not be read");
  set_verification(ssl, o);
  if (o->client) {
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, keep_session);
    return SSL_CTX_set_alpn_protos(ssl, protocols, sizeof protocols) == 0 || say(why, "out of memory");
  }
  SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
  SSL_CTX_set_client_hello_cb(ssl, choose_context, context);
  SSL_CTX_set_tlsext_servername_callback(ssl, accept_name);
  return true;
}

lwsn_tls_context *lwsn_tls_context_create(const lwsn_tls_options *options, char why[256]) {
  ERR_clear_error();
  lwsn_tls_context *context = calloc(1, sizeof *context);
  if (!context) {
    say(why, "out of memory");
    return NULL;
  }
  context->refs = 1;
  context->ssl = SSL_CTX_new(options->client ? TLS_client_method() : TLS_server_method());
  if (!context->ssl) say(why, "OpenSSL could not make a context");
  if (context->ssl && fill(context, options, why)) return context;
  lwsn_tls_context_unref(context);
  return NULL;
}

void lwsn_tls_context_ref(lwsn_tls_context *context) { context->refs++; }

void lwsn_tls_context_unref(lwsn_tls_context *context) {
  if (!context || --context->refs > 0) return;
  while (context->names) {
    lwsn_tls_name *n = context->names;
    context->names = n->next;
    lwsn_tls_context_unref(n->context);
    free(n);
  }
  lwsn_tls_sessions_clear(&context->sessions);
  SSL_CTX_free(context->ssl);
  free(context->groups);
  free(context);
}

bool lwsn_tls_context_add_name(lwsn_tls_context *context, const char *name, lwsn_tls_context *other) {
  size_t length = strlen(name) + 1;
  lwsn_tls_name *n = malloc(sizeof *n + length);
  if (!n) return false;
  memcpy(n->name, name, length);
  n->context = other;
  lwsn_tls_context_ref(other);
  n->next = context->names;
  context->names = n;
  return true;
}
