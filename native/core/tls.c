#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "send.h"
#include "transport.h"

enum {
  PLAIN_SIZE = 64 * 1024, /* one read of decrypted bytes takes at most this much */
  JOIN_SIZE = 16 * 1024,  /* small parts are joined into one record (RFC 8446 5.1: 2^14 bytes) */
};

struct lwsn_tls {
  SSL *ssl;
  lwsn_tls_owner owner;
  bool ready;
  bool input_left; /* SSL_read was not called until it had no more */
};

static bool name_peer(SSL *ssl, const char *host) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1) return true; /* RFC 6066 3: no SNI for addresses */
  ERR_clear_error();
  return SSL_set_tlsext_host_name(ssl, host) == 1 && X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static void resume_session(SSL *ssl, lwsn_tls_owner *owner) {
  SSL_set_app_data(ssl, owner);
  SSL_SESSION *session = owner->host ? lwsn_tls_sessions_take(&owner->context->sessions, owner->host) : NULL;
  if (session && SSL_set_session(ssl, session) != 1) ERR_clear_error();
  SSL_SESSION_free(session);
}

bool lwsn_tls_begin(lwsn_transport *t, lwsn_tls_context *context, bool client, const char *host) {
  if (!t->context->plain && !(t->context->plain = malloc(PLAIN_SIZE))) return false;
  lwsn_tls *tls = calloc(1, sizeof *tls);
  if (!tls) return false;
  tls->ssl = SSL_new(context->ssl);
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  if (!tls->ssl || !in || !out) {
    BIO_free(in);
    BIO_free(out);
    SSL_free(tls->ssl);
    free(tls);
    return false;
  }
  BIO_set_mem_eof_return(in, -1); /* empty means "later", not the end */
  BIO_set_mem_eof_return(out, -1);
  SSL_set_bio(tls->ssl, in, out);
  tls->owner = (lwsn_tls_owner){context, host};
  lwsn_tls_context_ref(context);
  t->tls = tls;
  if (!client) {
    SSL_set_accept_state(tls->ssl);
    return true;
  }
  SSL_set_connect_state(tls->ssl);
  resume_session(tls->ssl, &tls->owner);
  return !host || name_peer(tls->ssl, host);
}

void lwsn_tls_free(lwsn_tls *tls) {
  if (!tls) return;
  /* or OpenSSL would forget the session of a connection that was lost, which RFC 5246 7.2.1 does not ask any more */
  if (tls->ready) SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN);
  SSL_free(tls->ssl);
  lwsn_tls_context_unref(tls->owner.context);
  free(tls);
}

/* Hands what OpenSSL wrote to the socket. */
static bool flush_out(lwsn_transport *t) {
  BIO *out = SSL_get_wbio(t->tls->ssl);
  char *data;
  long size = BIO_get_mem_data(out, &data);
  if (size <= 0) return !t->doomed;
  struct iovec part = {data, (size_t)size};
  bool sent = lwsn_send_raw(t, &part, 1);
  (void)BIO_reset(out);
  return sent;
}

/* OpenSSL's reasons are static texts. */
static const char *reason(const lwsn_tls *tls) {
  long verified = SSL_get_verify_result(tls->ssl);
  if (!tls->ready && verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char *text = ERR_reason_error_string(ERR_peek_error());
  return text ? text : tls->ready ? "the TLS stream is broken" : "the TLS handshake failed";
}

static void failed(lwsn_transport *t) {
  const char *why = reason(t->tls);
  ERR_clear_error();
  if (!t->doomed) flush_out(t); /* the alert says why */
  lwsn_transport_failed(t, why);
}

/* One step of the handshake. True: it is done. */
static bool handshake(lwsn_transport *t) {
  lwsn_tls *tls = t->tls;
  ERR_clear_error();
  int code = SSL_do_handshake(tls->ssl);
  if (code != 1) {
    int error = SSL_get_error(tls->ssl, code);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
      flush_out(t);
    else
      failed(t);
    return false;
  }
  tls->ready = true;
  if (!flush_out(t)) return false;
  lwsn_transport_secured(t);
  return !t->doomed;
}

/* Whether another read can bring anything: spares the call that would only say no. */
static bool has_more(const lwsn_tls *tls) {
  return SSL_has_pending(tls->ssl) || BIO_ctrl_pending(SSL_get_rbio(tls->ssl)) > 0;
}

void lwsn_tls_resume(lwsn_transport *t) {
  lwsn_tls *tls = t->tls;
  uint8_t *plain = t->context->plain;
  if (!tls->ready && !handshake(t)) return;
  while (!t->doomed && !t->ending) {
    if (!lwsn_transport_wants_input(t)) {
      tls->input_left = true;
      return;
    }
    ERR_clear_error();
    int n = SSL_read(tls->ssl, plain, PLAIN_SIZE);
    if (n > 0) {
      lwsn_transport_plain_input(t, plain, (size_t)n);
      if (has_more(tls)) continue;
      tls->input_left = false;
      if (!t->doomed) flush_out(t);
      return;
    }
    tls->input_left = false;
    int error = SSL_get_error(tls->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
      flush_out(t);                          /* as an answer to a key update (RFC 8446 4.6.3) */
    else if (error != SSL_ERROR_ZERO_RETURN) /* close_notify: FIN follows */
      failed(t);
    return;
  }
}

void lwsn_tls_input(lwsn_transport *t, const uint8_t *data, size_t size) {
  if (t->ending || t->doomed) return;
  if (BIO_write(SSL_get_rbio(t->tls->ssl), data, (int)size) != (int)size) {
    lwsn_transport_kill(t);
    return;
  }
  lwsn_tls_resume(t);
}

bool lwsn_tls_has_input(const lwsn_tls *tls) { return tls->input_left; }

static bool write_plain(lwsn_transport *t, const void *data, size_t size) {
  if (size == 0) return true;
  ERR_clear_error();
  size_t written;
  if (SSL_write_ex(t->tls->ssl, data, size, &written) == 1) return true; /* memory takes everything */
  failed(t);
  return false;
}

bool lwsn_tls_send(lwsn_transport *t, const struct iovec *parts, int count) {
  if (t->doomed || !t->tls->ready) return false;
  uint8_t joined[JOIN_SIZE];
  size_t used = 0;
  for (int i = 0; i < count; i++) {
    const uint8_t *data = parts[i].iov_base;
    size_t size = parts[i].iov_len;
    /* the header of a large message rides with the first of its bytes */
    size_t take = size < sizeof joined - used ? size : sizeof joined - used;
    memcpy(joined + used, data, take);
    used += take;
    if (used == sizeof joined) {
      if (!write_plain(t, joined, used)) return false;
      used = 0;
      if (!write_plain(t, data + take, size - take)) return false;
    }
  }
  return write_plain(t, joined, used) && flush_out(t);
}

void lwsn_tls_end(lwsn_transport *t) {
  if (!t->tls->ready || t->doomed) return;
  ERR_clear_error();
  SSL_shutdown(t->tls->ssl);
  ERR_clear_error();
  flush_out(t);
}

bool lwsn_tls_ready(const lwsn_tls *tls) { return tls->ready; }

int lwsn_tls_peer_certificate(const lwsn_tls *tls, uint8_t **der) {
  X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
  *der = NULL;
  int size = certificate ? i2d_X509(certificate, der) : 0;
  X509_free(certificate);
  return size > 0 ? size : 0;
}

const char *lwsn_tls_version(const lwsn_tls *tls) { return SSL_get_version(tls->ssl); }

const char *lwsn_tls_cipher(const lwsn_tls *tls) {
  const char *name = SSL_get_cipher_name(tls->ssl);
  return name ? name : "";
}

const char *lwsn_tls_server_name(const lwsn_tls *tls) {
  const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
  return name ? name : "";
}

bool lwsn_tls_resumed(const lwsn_tls *tls) { return SSL_session_reused(tls->ssl) == 1; }

bool lwsn_tls_verified(const lwsn_tls *tls) { return SSL_get_verify_result(tls->ssl) == X509_V_OK; }
