#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "life.h"
#include "net/adopt.h"
#include "net/tls.h"
#include "out.h"
#include "wire.h"

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
    if (plain->in_capacity <= plain->in_size + (size_t)n) { /* and a NUL, for strtol */
      plain->in_capacity = 2 * (plain->in_size + sizeof data);
      plain->in = realloc(plain->in, plain->in_capacity);
      if (!plain->in) world_fatal("no memory for a peer");
    }
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

void tls_peer_say(tls_peer *p, const char *text) { tls_peer_send(p, text, strlen(text)); }

void tls_peer_frame(tls_peer *p, unsigned first, const void *data, size_t size) {
  uint8_t *bytes = malloc(WIRE_HEADER_MAX + size);
  if (!bytes) world_fatal("no memory for a frame");
  tls_peer_send(p, bytes, wire_frame(bytes, first, data, size));
  free(bytes);
}

void tls_world_begin(world *w) {
  world_begin(w, NULL);
  w->accepts = w->echoes = w->responds = true;
  lwsn_tls_context *context = tls_server_context();
  lwsn_server_set_tls(w->server, context);
  lwsn_tls_context_unref(context);
}

static void await(world *w, tls_peer *p, lwsn_record_kind kind, unsigned long count) {
  world_wait(w);
  while (tls_peer_pump(p), world_told(w, kind) < count)
    if (!world_step(w)) world_fatal("a connection under TLS did not open");
}

static void await_plain(world *w, tls_peer *p, const char *end) {
  world_wait(w);
  while (tls_peer_pump(p), !peer_waiting(&p->plain) || !strstr((const char *)peer_bytes(&p->plain), end))
    if (!world_step(w)) world_fatal("a head under TLS did not come");
}

void tls_peer_open(world *w, tls_peer *p, int version, size_t step) {
  unsigned long opened = world_told(w, LWSN_RECORD_OPEN);
  response r;
  tls_peer_begin(p, peer_open(w), false, version);
  p->step = step;
  world_wait(w);
  while (!tls_peer_pump(p))
    if (!world_step(w)) world_fatal("a TLS handshake did not end");
  tls_peer_say(p, WIRE_UPGRADE);
  await_plain(w, p, "\r\n\r\n");
  if (!wire_response(&p->plain, &r) || r.status != 101) world_fatal("an upgrade under TLS was refused");
  await(w, p, LWSN_RECORD_OPEN, opened + 1);
}

void tls_peer_serve(world *w, tls_peer *p, int version, int type, lwsn_handle *handle) {
  int fds[2];
  unsigned long opened = world_told(w, LWSN_RECORD_OPEN), connected = world_told(w, LWSN_RECORD_CONNECTED);
  lwsn_tls_context *context = tls_client_context(true);
  lwsn_server_set_tls(w->server, context);
  lwsn_tls_context_unref(context);
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) world_fatal("no pair of sockets");
  tls_peer_begin(p, peer_take_fd(w, fds[1]), true, version);
  if (lwsn_adopt_client(w->server, fds[0], "localhost", handle) != 0) world_fatal("no client");
  close(fds[0]); /* the core has a copy */
  life_adopted(w, *handle);
  await(w, p, LWSN_RECORD_CONNECTED, connected + 1);
  out_raw(w, *handle, WIRE_UPGRADE);
  await_plain(w, p, "\r\n\r\n");
  peer_take(&p->plain, peer_waiting(&p->plain));
  tls_peer_say(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Accept: " WIRE_ACCEPT "\r\n\r\n");
  await(w, p, LWSN_RECORD_RESPONSE, 1);
  out_accept(w, *handle, NULL, w->accept_flags);
  await(w, p, LWSN_RECORD_OPEN, opened + 1);
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
