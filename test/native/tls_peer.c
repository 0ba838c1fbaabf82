#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *key;
static X509 *certificate;

static void make_certificate(void) {
  if (certificate) return;
  key = EVP_EC_gen("P-256");
  certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME *name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  if (X509_sign(certificate, key, EVP_sha256()) == 0) world_fatal("no certificate");
}

/* PEM of the certificate or the key. */
static BIO *pem(bool of_key) {
  BIO *out = BIO_new(BIO_s_mem());
  if (of_key)
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
  else
    PEM_write_bio_X509(out, certificate);
  return out;
}

static lwsn_bytes bytes_of(BIO *bio) {
  char *data;
  long size = BIO_get_mem_data(bio, &data);
  return (lwsn_bytes){(const uint8_t *)data, (size_t)size};
}

static lwsn_tls_context *create(const lwsn_tls_options *options) {
  char why[256] = "";
  lwsn_tls_context *context = lwsn_tls_context_create(options, why);
  if (!context) world_fatal("no TLS context: %s", why);
  return context;
}

lwsn_tls_context *tls_server_context(void) {
  make_certificate();
  BIO *cert = pem(false), *secret = pem(true);
  lwsn_tls_context *context = create(&(lwsn_tls_options){.cert = bytes_of(cert), .key = bytes_of(secret)});
  BIO_free(cert);
  BIO_free(secret);
  return context;
}

lwsn_tls_context *tls_client_context(bool trusting) {
  make_certificate();
  BIO *cert = pem(false);
  lwsn_tls_options options = {.client = true, .verify_peer = true};
  if (trusting) options.ca = bytes_of(cert);
  lwsn_tls_context *context = create(&options);
  BIO_free(cert);
  return context;
}

void tls_peer_begin(tls_peer *p, peer *raw, bool server, int version) {
  make_certificate();
  memset(p, 0, sizeof *p);
  p->raw = raw;
  p->plain.world = raw->world;
  p->plain.fd = -1;
  SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  if (server) {
    SSL_CTX_use_certificate(context, certificate);
    SSL_CTX_use_PrivateKey(context, key);
  }
  p->ssl = SSL_new(context);
  SSL_CTX_free(context);
  if (!p->ssl) world_fatal("no TLS for a peer");
  SSL_set_bio(p->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(p->ssl), -1);
  if (server)
    SSL_set_accept_state(p->ssl);
  else
    SSL_set_connect_state(p->ssl);
}

static void flush(tls_peer *p) {
  BIO *out = SSL_get_wbio(p->ssl);
  char *data;
  long size = BIO_get_mem_data(out, &data);
  if (size <= 0) return;
  if (p->step == 0)
    peer_send(p->raw, data, (size_t)size);
  else if (!peer_drip(p->raw, data, (size_t)size, p->step))
    p->failed = true;
  (void)BIO_reset(out);
}

/* Whether OpenSSL only waits. */
static bool waits(tls_peer *p, int result) {
  int error = SSL_get_error(p->ssl, result);
  if (error == SSL_ERROR_ZERO_RETURN) p->ended = true;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN) return true;
  p->failed = true;
  return false;
}

static void read_plain(tls_peer *p) {
  peer *plain = &p->plain;
  uint8_t data[16384];
  int n;
  while (ERR_clear_error(), (n = SSL_read(p->ssl, data, sizeof data)) > 0) {
    plain->in = realloc(plain->in, plain->in_size + (size_t)n + 1); /* and a NUL, for strtol */
    if (!plain->in) world_fatal("no memory for a peer");
    memcpy(plain->in + plain->in_size, data, (size_t)n);
    plain->in_size += (size_t)n;
    plain->in[plain->in_size] = 0;
  }
  waits(p, n);
}

bool tls_peer_pump(tls_peer *p) {
  size_t size = peer_waiting(p->raw);
  if (size > 0) BIO_write(SSL_get_rbio(p->ssl), peer_bytes(p->raw), (int)size);
  peer_take(p->raw, size);
  ERR_clear_error();
  if (!p->failed && !SSL_is_init_finished(p->ssl)) {
    int result = SSL_do_handshake(p->ssl);
    if (result != 1) waits(p, result);
  }
  if (!p->failed && SSL_is_init_finished(p->ssl)) read_plain(p);
  flush(p);
  return !p->failed && SSL_is_init_finished(p->ssl);
}

void tls_peer_send(tls_peer *p, const void *data, size_t size) {
  if (SSL_write(p->ssl, data, (int)size) != (int)size) p->failed = true;
  flush(p);
}

void tls_peer_notify(tls_peer *p) {
  SSL_shutdown(p->ssl);
  flush(p);
}

void tls_peer_free(tls_peer *p) {
  SSL_free(p->ssl);
  free(p->plain.in);
}

void tls_peer_forget(void) {
  X509_free(certificate);
  EVP_PKEY_free(key);
  certificate = NULL;
  key = NULL;
}
