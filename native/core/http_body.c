#include "http_body.h"

enum {
  LENGTH, /* content until `left` is 0 */
  SIZE_FIRST,
  SIZE,
  SIZE_BLANK, /* white space that an extension must follow */
  EXTENSION,
  SIZE_LF,
  CHUNK, /* content until `left` is 0 */
  CHUNK_CR,
  CHUNK_LF,
  TRAILER_FIRST, /* of a line: a name or the CR that ends it all */
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  LAST_LF,
  COMPLETE,
  MALFORMED
};

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static uint8_t after_size(char c) {
  if (c == '\r') return SIZE_LF;
  if (c == ';') return EXTENSION;
  return c == ' ' || c == '\t' ? SIZE_BLANK : MALFORMED;
}

static uint8_t step_size(lwsn_http_body *b, char c) {
  int digit = hex_value(c);
  if (digit >= 0) {
    if (++b->counted > LWSN_HTTP_CHUNK_DIGITS) return MALFORMED;
    b->left = b->left << 4 | (uint64_t)digit;
    return SIZE;
  }
  if (b->state == SIZE_FIRST) return MALFORMED;
  b->counted = 1;
  return after_size(c);
}

static uint8_t step_extension(lwsn_http_body *b, char c) {
  if (c == '\r') return b->state == EXTENSION ? SIZE_LF : MALFORMED;
  if (++b->counted > LWSN_HTTP_CHUNK_EXTENSION) return MALFORMED;
  if (b->state == SIZE_BLANK) return after_size(c);
  return lwsn_http_is_value(&c, 1) ? EXTENSION : MALFORMED;
}

static uint8_t step_size_lf(lwsn_http_body *b, char c) {
  if (c != '\n') return MALFORMED;
  b->counted = 0;
  return b->left ? CHUNK : TRAILER_FIRST;
}

static uint8_t step_trailer(lwsn_http_body *b, char c) {
  if (b->state == TRAILER_FIRST && c == '\r') return LAST_LF;
  if (++b->counted > LWSN_HTTP_TRAILERS) return MALFORMED;
  switch (b->state) {
    case TRAILER_LF: return c == '\n' ? TRAILER_FIRST : MALFORMED;
    case TRAILER_VALUE: return c == '\r' ? TRAILER_LF : lwsn_http_is_value(&c, 1) ? TRAILER_VALUE : MALFORMED;
    default:
      if (c == ':' && b->state == TRAILER_NAME) return TRAILER_VALUE;
      return lwsn_http_is_token(&c, 1) ? TRAILER_NAME : MALFORMED;
  }
}

/* One byte that is not content. */
static uint8_t step(lwsn_http_body *b, char c) {
  switch (b->state) {
    case SIZE_FIRST:
    case SIZE: return step_size(b, c);
    case SIZE_BLANK:
    case EXTENSION: return step_extension(b, c);
    case SIZE_LF: return step_size_lf(b, c);
    case CHUNK_CR: return c == '\r' ? CHUNK_LF : MALFORMED;
    case CHUNK_LF: return c == '\n' ? SIZE_FIRST : MALFORMED;
    case LAST_LF: return c == '\n' ? COMPLETE : MALFORMED;
    default: return step_trailer(b, c);
  }
}

static size_t take_content(lwsn_http_body *b, const char *p, size_t n, lwsn_slice *data) {
  size_t take = b->left < n ? (size_t)b->left : n;
  *data = (lwsn_slice){p, take};
  b->left -= take;
  b->received += take;
  if (b->left == 0) b->state = b->state == LENGTH ? COMPLETE : CHUNK_CR;
  return take;
}

void lwsn_http_body_begin(lwsn_http_body *b, int64_t content_length, bool chunked) {
  *b = (lwsn_http_body){.state = SIZE_FIRST};
  if (chunked) return;
  b->left = content_length > 0 ? (uint64_t)content_length : 0;
  b->state = b->left ? LENGTH : COMPLETE;
}

int lwsn_http_body_feed(lwsn_http_body *b, const char *p, size_t n, size_t *used, lwsn_slice *data) {
  size_t i = 0;
  *data = (lwsn_slice){p, 0};
  while (i < n && b->state < COMPLETE) {
    if (b->state == LENGTH || b->state == CHUNK) {
      i += take_content(b, p + i, n - i, data);
      break;
    }
    b->state = step(b, p[i++]);
  }
  *used = i;
  return b->state == COMPLETE ? 1 : b->state == MALFORMED ? -1 : 0;
}

uint64_t lwsn_http_body_received(const lwsn_http_body *b) { return b->received; }
