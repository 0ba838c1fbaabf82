#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_io.h"
#include "net/transport.h"

/* What ended the peer's records while messages from before it still waited. */
typedef enum tls_end {
  TLS_GOES_ON,
  TLS_NOTIFIED, /* close_notify */
  TLS_BROKEN,
} tls_end;

struct lwsn_tls {
  SSL *ssl;
  lwsn_tls_owner owner;
  const char *why; /* of TLS_BROKEN; static text */
  bool ready;
  tls_end end;
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
  lwsn_tls_io *io = lwsn_tls_io_of(t->services);
  lwsn_tls *tls = io ? calloc(1, sizeof *tls) : NULL;
  if (!tls) return false;
  tls->ssl = SSL_new(context->ssl);
  if (!tls->ssl) {
    free(tls);
    return false;
  }
  BIO_up_ref(io->bio);
  SSL_set_bio(tls->ssl, io->bio, io->bio);
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

/* Before each call into OpenSSL: what it may read, and whose it is. SSL_get_error wants an empty queue of errors. */
static lwsn_tls_io *work_for(lwsn_transport *t, const uint8_t *data, size_t size) {
  lwsn_tls_io *io = t->services->tls_io;
  io->t = t;
  io->in = data;
  io->in_size = size;
  if (ERR_peek_error()) ERR_clear_error();
  return io;
}

/* OpenSSL's reasons are static texts. */
static const char *reason(const lwsn_tls *tls) {
  long verified = SSL_get_verify_result(tls->ssl);
  if (!tls->ready && verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char *text = ERR_reason_error_string(ERR_peek_error());
  return text ? text : tls->ready ? "the TLS stream is broken" : "the TLS handshake failed";
}

/* What OpenSSL wrote by then, as the alert that says why, goes out. */
static void fail(lwsn_transport *t, const char *why) {
  ERR_clear_error();
  lwsn_tls_io_flush(t->services->tls_io);
  lwsn_transport_failed(t, why);
}

/* Setting a type frees what is in a key, which is shared with the SSL. */
static void empty_key(EVP_PKEY *key) {
  if (!key) return;
  EVP_PKEY_set_type(key, EVP_PKEY_X25519);
  EVP_PKEY_free(key);
}

/* OpenSSL keeps both keys of the exchange as long as the SSL, those of ML-KEM with 7 KB; only inspection asks for them. */
static void drop_exchanged_keys(SSL *ssl) {
  EVP_PKEY *ours = NULL, *theirs = NULL;
  SSL_get_tmp_key(ssl, &ours);
  SSL_get_peer_tmp_key(ssl, &theirs);
  empty_key(ours);
  empty_key(theirs);
  ERR_clear_error();
}

/* One step of the handshake. */
static void handshake(lwsn_transport *t, lwsn_tls_io *io) {
  lwsn_tls *tls = t->tls;
  int code = SSL_do_handshake(tls->ssl);
  tls->ready = code == 1;
  if (tls->ready) drop_exchanged_keys(tls->ssl);
  if (tls->ready || SSL_get_error(tls->ssl, code) == SSL_ERROR_WANT_READ)
    lwsn_tls_io_flush(io);
  else
    fail(t, reason(tls));
}

/* Decrypts until the input or the room is used up: no part of a record may be left in OpenSSL. */
static size_t read_records(lwsn_tls *tls, lwsn_tls_io *io, uint8_t *plain, size_t room) {
  size_t size = 0;
  while (io->in_size > 0 && room - size >= LWSN_TLS_RECORD_MAX) {
    size_t n;
    if (SSL_read_ex(tls->ssl, plain + size, room - size, &n) == 1) {
      size += n;
      continue;
    }
    int error = SSL_get_error(tls->ssl, 0);
    if (error == SSL_ERROR_WANT_READ) break; /* a record is not whole: OpenSSL keeps what there is of it */
    tls->end = error == SSL_ERROR_ZERO_RETURN ? TLS_NOTIFIED : TLS_BROKEN;
    if (tls->end == TLS_BROKEN) tls->why = reason(tls);
    ERR_clear_error();
    io->in_size = 0; /* nothing behind it counts */
  }
  return size;
}

/* Behind all that came before it. */
static void end_input(lwsn_transport *t) {
  if (t->tls->end == TLS_GOES_ON || t->backlog || t->doomed || t->ending) return;
  if (t->tls->end == TLS_BROKEN)
    fail(t, t->tls->why);
  else
    t->speech->peer_finished(t); /* close_notify: FIN follows, or may not */
}

void lwsn_tls_input(lwsn_transport *t, const uint8_t *data, size_t size) {
  lwsn_tls *tls = t->tls;
  if (t->ending || t->doomed || tls->end != TLS_GOES_ON) return;
  lwsn_tls_io *io = t->services->tls_io;
  if (!tls->ready) {
    handshake(t, work_for(t, data, size));
    data = io->in, size = io->in_size;
    if (tls->ready && !t->doomed) t->speech->secured(t);
  }
  while (size > 0 && lwsn_transport_wants_input(t)) {
    size_t room;
    uint8_t *plain = t->speech->land(t, LWSN_TLS_RECORD_MAX, &room);
    if (!plain) plain = io->plain, room = sizeof io->plain;
    size_t n = read_records(tls, work_for(t, data, size), plain, room);
    data = io->in, size = io->in_size; /* an answer of the parser has no input */
    if (n > 0) t->speech->input(t, plain, n);
    lwsn_inbound_landed(&t->services->inbound);
    lwsn_tls_io_flush(io); /* an alert, or the answer to a key update (RFC 8446 4.6.3) */
  }
  if (size > 0 && !t->doomed && !t->ending) lwsn_transport_keep_encrypted(t, data, size);
  end_input(t);
}

void lwsn_tls_start(lwsn_transport *t) { handshake(t, work_for(t, NULL, 0)); }

void lwsn_tls_resume(lwsn_transport *t) { end_input(t); }

bool lwsn_tls_has_input(const lwsn_tls *tls) { return SSL_pending(tls->ssl) > 0; }

static bool write_record(lwsn_transport *t, const void *data, size_t size) {
  size_t written;
  if (SSL_write_ex(t->tls->ssl, data, size, &written) == 1) return true; /* memory takes everything */
  fail(t, reason(t->tls));
  return false;
}

/* Where the first `size` bytes of the parts lie behind each other, which they are copied for only if they do not. */
static const uint8_t *joined(lwsn_tls_io *io, const struct iovec **part, size_t *done, size_t size) {
  const uint8_t *first = (const uint8_t *)(*part)->iov_base + *done;
  bool whole = (*part)->iov_len - *done >= size; /* also the usual case of one part */
  for (size_t used = 0; used < size;) {
    size_t left = (*part)->iov_len - *done, take = left < size - used ? left : size - used;
    if (!whole) memcpy(io->joined + used, (const uint8_t *)(*part)->iov_base + *done, take);
    used += take;
    *done += take;
    if (*done < (*part)->iov_len) continue;
    (*part)++;
    *done = 0;
  }
  return whole ? first : io->joined;
}

bool lwsn_tls_send(lwsn_transport *t, const struct iovec *parts, int count) {
  if (t->doomed || !t->tls->ready) return false;
  size_t left = 0, done = 0;
  for (int i = 0; i < count; i++) left += parts[i].iov_len;
  lwsn_tls_io *io = work_for(t, NULL, 0);
  while (left > 0) {
    /* the short record first: it takes the frame's header along, and the others lie whole in the payload */
    size_t rest = left % LWSN_TLS_RECORD_MAX, size = rest ? rest : LWSN_TLS_RECORD_MAX;
    const uint8_t *data = joined(io, &parts, &done, size);
    left -= size;
    io->last = left == 0;
    bool written = write_record(t, data, size);
    io->last = false;
    if (!written) return false;
  }
  return !t->doomed;
}

void lwsn_tls_end(lwsn_transport *t) {
  if (!t->tls->ready || t->doomed) return;
  lwsn_tls_io *io = work_for(t, NULL, 0);
  SSL_shutdown(t->tls->ssl);
  ERR_clear_error();
  lwsn_tls_io_flush(io);
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
