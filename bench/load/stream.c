#include "stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

struct ssl_ctx_st *stream_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context) SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

void stream_context_free(struct ssl_ctx_st *context) { SSL_CTX_free(context); }

bool stream_secure(struct stream *stream, struct ssl_ctx_st *context) {
  stream->tls = SSL_new(context);
  if (!stream->tls || !SSL_set_fd(stream->tls, stream->fd)) return false;
  SSL_set_connect_state(stream->tls);
  return true;
}

enum handshake stream_shake(struct stream *stream) {
  ERR_clear_error();
  int result = SSL_do_handshake(stream->tls);
  if (result == 1) return HANDSHAKE_DONE;
  switch (SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_WANT_READ: return HANDSHAKE_READ;
    case SSL_ERROR_WANT_WRITE: return HANDSHAKE_WRITE;
    default: return HANDSHAKE_FAILED;
  }
}

static ssize_t translate(struct stream *stream, int result) {
  if (result > 0) return result;
  switch (SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL: return errno ? -1 : 0;
    default: errno = EPROTO; return -1;
  }
}

ssize_t stream_send(struct stream *stream, const uint8_t *bytes, size_t length) {
  if (!stream->tls) return send(stream->fd, bytes, length, MSG_NOSIGNAL);
  ERR_clear_error();
  return translate(stream, SSL_write(stream->tls, bytes, length > INT32_MAX ? INT32_MAX : (int)length));
}

ssize_t stream_recv(struct stream *stream, uint8_t *bytes, size_t room) {
  if (!stream->tls) return recv(stream->fd, bytes, room, 0);
  ERR_clear_error();
  return translate(stream, SSL_read(stream->tls, bytes, room > INT32_MAX ? INT32_MAX : (int)room));
}

bool stream_pending(const struct stream *stream) { return stream->tls && SSL_pending(stream->tls) > 0; }

void stream_close(struct stream *stream) {
  SSL_free(stream->tls);
  stream->tls = NULL;
  if (stream->fd >= 0) close(stream->fd);
  stream->fd = -1;
}

const char *stream_error(void) {
  unsigned long error = ERR_peek_error();
  return error ? ERR_reason_error_string(error) : "the connection ended";
}
