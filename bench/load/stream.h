#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ssl_ctx_st;
struct ssl_st;

/* Bytes of one socket, through TLS where there is some. */
struct stream {
  int fd;
  struct ssl_st *tls; /* NULL: plain */
};

enum handshake { HANDSHAKE_DONE, HANDSHAKE_READ, HANDSHAKE_WRITE, HANDSHAKE_FAILED };

/* A context of clients that trust every certificate; NULL when there is no memory. */
struct ssl_ctx_st *stream_context(void);
void stream_context_free(struct ssl_ctx_st *context);

bool stream_secure(struct stream *stream, struct ssl_ctx_st *context);
enum handshake stream_shake(struct stream *stream);

/* As send() and recv(): -1 with EAGAIN when the socket is not ready. */
ssize_t stream_send(struct stream *stream, const uint8_t *bytes, size_t length);
ssize_t stream_recv(struct stream *stream, uint8_t *bytes, size_t room);

/* Whether decrypted bytes wait that no event will announce. */
bool stream_pending(const struct stream *stream);

void stream_close(struct stream *stream);

/* Why the last TLS call failed. */
const char *stream_error(void);

#endif
