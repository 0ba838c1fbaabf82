#include "wire/http_target.h"

#include <arpa/inet.h>
#include <string.h>

#include "wire/http_chars.h"

/* "::1" of "[::1]" */
static bool is_ipv6(const char *p, size_t n) {
  char text[INET6_ADDRSTRLEN];
  struct in6_addr address;
  if (n == 0 || n >= sizeof text) return false;
  memcpy(text, p, n);
  text[n] = 0;
  return inet_pton(AF_INET6, text, &address) == 1;
}

/* The end of the name or address at p; NULL: there is none. */
static const char *skip_host(const char *p, const char *end) {
  if (*p == '[') {
    const char *close = memchr(p, ']', (size_t)(end - p));
    return close && is_ipv6(p + 1, (size_t)(close - p - 1)) ? close + 1 : NULL;
  }
  const char *start = p;
  for (; p < end && *p != ':'; p++) {
    if (*p == '%') {
      if (end - p < 3 || lwsn_hex(p[1]) < 0 || lwsn_hex(p[2]) < 0) return NULL;
    } else if (!lwsn_is_alnum(*p) && !(*p && strchr("-._~!$&'()*+,;=", *p))) {
      return NULL;
    }
  }
  return p > start ? p : NULL;
}

static bool is_port(const char *p, const char *end) {
  unsigned port = 0;
  for (; p < end; p++) {
    if (!lwsn_is_digit(*p)) return false;
    port = port * 10 + (unsigned)(*p - '0');
    if (port > 65535) return false;
  }
  return true;
}

bool lwsn_http_is_host(lwsn_slice host) {
  if (host.n == 0) return false;
  const char *end = host.p + host.n, *p = skip_host(host.p, end);
  return p && (p == end || (*p == ':' && is_port(p + 1, end)));
}

static bool has_prefix(lwsn_slice s, const char *prefix) {
  size_t n = strlen(prefix);
  if (s.n < n) return false;
  for (size_t i = 0; i < n; i++)
    if (lwsn_lower(s.p[i]) != prefix[i]) return false;
  return true;
}

static bool parse_absolute(lwsn_slice target, lwsn_slice *authority) {
  static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    if (!has_prefix(target, schemes[i])) continue;
    const char *start = target.p + strlen(schemes[i]), *end = target.p + target.n, *p = start;
    while (p < end && *p != '/' && *p != '?') p++;
    *authority = (lwsn_slice){start, (size_t)(p - start)};
    return lwsn_http_is_host(*authority);
  }
  return false;
}

bool lwsn_http_target_parse(lwsn_slice method, lwsn_slice target, lwsn_slice *authority) {
  *authority = (lwsn_slice){NULL, 0};
  if (target.n == 0) return false;
  if (*target.p == '/') return true;
  if (*target.p == '*') return target.n == 1 && method.n == 7 && memcmp(method.p, "OPTIONS", 7) == 0;
  return parse_absolute(target, authority);
}
