/* The characters of HTTP (RFC 9110 §5.6.2, RFC 3986 §2), whatever the locale of the process. */
#ifndef LWSN_HTTP_CHARS_H
#define LWSN_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

/* tchar of RFC 9110 §5.6.2 */
static inline bool lwsn_is_tchar(char c) {
  static const uint64_t set[2] = {0x03ff6cfa00000000u, 0x57ffffffc7fffffeu}; /* one bit per ASCII character */
  uint8_t u = (uint8_t)c;
  return u < 0x80 && (set[u / 64] >> u % 64 & 1);
}

static inline bool lwsn_is_blank(char c) { return c == ' ' || c == '\t'; }

static inline bool lwsn_is_digit(char c) { return c >= '0' && c <= '9'; }

static inline bool lwsn_is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static inline bool lwsn_is_alnum(char c) { return lwsn_is_digit(c) || lwsn_is_alpha(c); }

/* What a field value may hold (RFC 9110 §5.5): TAB, SP, visible ASCII, bytes from 0x80. */
static inline bool lwsn_is_text(char c) {
  uint8_t u = (uint8_t)c;
  return (u >= 0x20 || u == '\t') && u != 0x7f;
}

/* What a request target may hold: visible ASCII without '#', since a fragment is never sent (RFC 9112 §3.2). */
static inline bool lwsn_is_target(char c) { return c > 0x20 && c < 0x7f && c != '#'; }

static inline char lwsn_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

/* The value of a hexadecimal digit, -1 for anything else. */
static inline int lwsn_hex(char c) {
  if (lwsn_is_digit(c)) return c - '0';
  c = lwsn_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
