/*
 * The body of an HTTP/1.1 request as it arrives (RFC 9112 §6, §7): with a length, or chunked. Nothing is copied
 * or kept but a few counters; pieces of content point into the caller's bytes.
 */
#ifndef LWSN_HTTP_BODY_H
#define LWSN_HTTP_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/slice.h"

enum {
  LWSN_HTTP_CHUNK_DIGITS = 15,            /* hexadecimal digits of a chunk size, leading zeros included */
  LWSN_HTTP_CHUNK_EXTENSIONS = 16 * 1024, /* bytes between the sizes of all chunks of a body and their CRLFs */
  LWSN_HTTP_TRAILERS = 8 * 1024           /* bytes of all trailer lines, CRLFs included */
};

/* For this file's functions only. */
typedef struct lwsn_http_body {
  uint64_t left; /* content bytes still to come, of the body or of the chunk; the size while it is read */
  uint64_t received;
  uint32_t counted;    /* digits of the size, or bytes of the trailers */
  uint32_t extensions; /* bytes of all chunk extensions */
  uint8_t state;
} lwsn_http_body;

/* Begins a body as lwsn_http_head says: content_length is ignored if chunked, and -1 without it means no body. */
void lwsn_http_body_begin(lwsn_http_body *b, int64_t content_length, bool chunked);

/*
 * Takes input up to the end of the next piece of content, or all of it. *used says how many of the n bytes were
 * taken; *data is the piece, a slice of p, empty if there was none. Returns
 *    0  more is to come: call again with the rest while input is left
 *    1  the body is complete (*data may hold its last piece); the bytes after *used belong to the next request
 *   -1  malformed: a chunk size that is empty, no hexadecimal number or longer than LWSN_HTTP_CHUNK_DIGITS, an
 *       extension that is none (RFC 9112 §7.1.1), extensions or trailers beyond their limit, a control character, a bare CR or LF, content longer than its
 *       chunk, a trailer line that is no field. The connection can only be closed.
 * Every call with n > 0 takes at least one byte while it returns 0. After 1 and -1 every call returns the same
 * and takes nothing. Trailers are checked and dropped. White space behind a chunk size is allowed only before
 * an extension (RFC 9112 §7.1.1).
 */
int lwsn_http_body_feed(lwsn_http_body *b, const char *p, size_t n, size_t *used, lwsn_slice *data);

/* Content bytes delivered so far. */
uint64_t lwsn_http_body_received(const lwsn_http_body *b);

#endif
