#include "wire/http_scan.h"

#include "wire/http_chars.h"

enum {
  START, /* a method, or an empty line before it (RFC 9112 §2.2) */
  START_LF,
  METHOD,
  TARGET_FIRST,
  TARGET,
  VERSION,
  LINE_LF, /* of the request line and of each field */
  NAME_FIRST,
  NAME,
  VALUE,
  END_LF,
  WHOLE,
  WRONG
};

static uint8_t when(bool good, uint8_t state) { return good ? state : WRONG; }

/* "HTTP/" DIGIT "." DIGIT CR */
static uint8_t step_version(lwsn_http_scan *s, char c) {
  static const char form[] = "HTTP/0.0\r";
  char expected = form[s->place++];
  if (expected == '\r') return when(c == '\r', LINE_LF);
  return when(expected == '0' ? lwsn_is_digit(c) : c == expected, VERSION);
}

static uint8_t step_field(const lwsn_http_scan *s, char c) {
  switch (s->state) {
    case NAME_FIRST: return c == '\r' ? END_LF : when(lwsn_is_tchar(c), NAME);
    case NAME: return c == ':' ? VALUE : when(lwsn_is_tchar(c), NAME);
    case VALUE: return c == '\r' ? LINE_LF : when(lwsn_is_text(c), VALUE);
    default: return when(c == '\n', WHOLE);
  }
}

static uint8_t step(lwsn_http_scan *s, char c) {
  switch (s->state) {
    case START: return c == '\r' ? START_LF : when(lwsn_is_tchar(c), METHOD);
    case START_LF: return when(c == '\n', START);
    case METHOD: return c == ' ' ? TARGET_FIRST : when(lwsn_is_tchar(c), METHOD);
    case TARGET_FIRST: return when(lwsn_is_target(c), TARGET);
    case TARGET: return c == ' ' ? VERSION : when(lwsn_is_target(c), TARGET);
    case VERSION: return step_version(s, c);
    case LINE_LF: return when(c == '\n', NAME_FIRST);
    default: return step_field(s, c);
  }
}

bool lwsn_http_scan_more(lwsn_http_scan *s, const char *p, size_t n) {
  while (s->at < n && s->state < WHOLE) s->state = step(s, p[s->at++]);
  return s->state != WRONG;
}
