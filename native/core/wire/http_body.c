#include "wire/http_body.h"

#include "wire/http_chars.h"

enum {
  LENGTH, /* content until `left` is 0 */
  SIZE_FIRST,
  SIZE,
  SIZE_BLANK, /* white space that an extension must follow */
  NAME_FIRST, /* of an extension, perhaps behind white space (RFC 9112 §7.1.1) */
  NAME,
  NAME_BLANK, /* white space that '=' or another extension must follow */
  VALUE_FIRST,
  VALUE,
  QUOTED,
  QUOTED_PAIR,
  VALUE_END,   /* behind a quoted value */
  VALUE_BLANK, /* white space that another extension must follow */
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

static uint8_t when(bool good, uint8_t state) { return good ? state : MALFORMED; }

static uint8_t after_size(char c) {
  if (c == '\r') return SIZE_LF;
  if (c == ';') return NAME_FIRST;
  return when(lwsn_is_blank(c), SIZE_BLANK);
}

static uint8_t step_size(lwsn_http_body *b, char c) {
  int digit = lwsn_hex(c);
  if (digit >= 0) {
    if (++b->counted > LWSN_HTTP_CHUNK_DIGITS) return MALFORMED;
    b->left = b->left << 4 | (uint64_t)digit;
    return SIZE;
  }
  if (b->state == SIZE_FIRST) return MALFORMED;
  if (c != '\r' && ++b->extensions > LWSN_HTTP_CHUNK_EXTENSIONS) return MALFORMED;
  return after_size(c);
}

/* Behind a whole name or value: the end of the line, or what may follow. */
static uint8_t after_word(char c, uint8_t blank) {
  if (c == '\r') return SIZE_LF;
  if (c == ';') return NAME_FIRST;
  return when(lwsn_is_blank(c), blank);
}

static uint8_t step_name(const lwsn_http_body *b, char c) {
  switch (b->state) {
    case NAME_FIRST: return lwsn_is_blank(c) ? NAME_FIRST : when(lwsn_is_tchar(c), NAME);
    case NAME:
      if (c == '=') return VALUE_FIRST;
      return lwsn_is_tchar(c) ? NAME : after_word(c, NAME_BLANK);
    default:
      if (c == '=') return VALUE_FIRST;
      return c == '\r' ? MALFORMED : after_word(c, NAME_BLANK);
  }
}

static uint8_t step_value(const lwsn_http_body *b, char c) {
  switch (b->state) {
    case VALUE_FIRST:
      if (c == '"') return QUOTED;
      return lwsn_is_blank(c) ? VALUE_FIRST : when(lwsn_is_tchar(c), VALUE);
    case VALUE: return lwsn_is_tchar(c) ? VALUE : after_word(c, VALUE_BLANK);
    case QUOTED:
      if (c == '"') return VALUE_END;
      return c == '\\' ? QUOTED_PAIR : when(lwsn_is_text(c), QUOTED);
    case QUOTED_PAIR: return when(lwsn_is_text(c), QUOTED);
    case VALUE_END: return after_word(c, VALUE_BLANK);
    default: return c == '\r' ? MALFORMED : after_word(c, VALUE_BLANK);
  }
}

/* From behind the size up to the CR. */
static uint8_t step_extension(lwsn_http_body *b, char c) {
  if (c != '\r' && ++b->extensions > LWSN_HTTP_CHUNK_EXTENSIONS) return MALFORMED;
  if (b->state == SIZE_BLANK) return c == '\r' ? MALFORMED : after_size(c);
  return b->state < VALUE_FIRST ? step_name(b, c) : step_value(b, c);
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
    case TRAILER_VALUE: return c == '\r' ? TRAILER_LF : lwsn_is_text(c) ? TRAILER_VALUE : MALFORMED;
    default:
      if (c == ':' && b->state == TRAILER_NAME) return TRAILER_VALUE;
      return lwsn_is_tchar(c) ? TRAILER_NAME : MALFORMED;
  }
}

/* One byte that is not content. */
static uint8_t step(lwsn_http_body *b, char c) {
  switch (b->state) {
    case SIZE_FIRST:
    case SIZE: return step_size(b, c);
    case SIZE_LF: return step_size_lf(b, c);
    case CHUNK_CR: return c == '\r' ? CHUNK_LF : MALFORMED;
    case CHUNK_LF: return c == '\n' ? SIZE_FIRST : MALFORMED;
    case LAST_LF: return c == '\n' ? COMPLETE : MALFORMED;
    default: return b->state < SIZE_LF ? step_extension(b, c) : step_trailer(b, c);
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
