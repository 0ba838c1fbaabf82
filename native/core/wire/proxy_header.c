#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static const uint8_t v2_signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const char v1_signature[] = "PROXY ";

enum { V1_SIGNATURE = sizeof v1_signature - 1, TEXT_MAX = 40 };

/* Copies an address; what is IPv4 in an IPv6 address is IPv4 (RFC 4291 2.5.5.2). */
static void set_address(lwsn_proxy_source *source, const uint8_t *address, bool v6) {
  static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  bool is_mapped = v6 && memcmp(address, mapped, sizeof mapped) == 0;
  source->known = 1;
  source->family = v6 && !is_mapped ? 6 : 4;
  memcpy(source->address, is_mapped ? address + 12 : address, source->family == 6 ? 16 : 4);
}

/* One field of a line, up to one space or the line's end; NULL: empty or too long. */
static const char *field(const char *at, const char *end, char out[TEXT_MAX]) {
  const char *stop = memchr(at, ' ', (size_t)(end - at));
  size_t length = (size_t)((stop ? stop : end) - at);
  if (length == 0 || length >= TEXT_MAX || memchr(at, 0, length)) return NULL;
  memcpy(out, at, length);
  out[length] = 0;
  return stop ? stop + 1 : end;
}

/* Decimal without leading zeros; -1: no port. */
static int32_t port_of(const char *text) {
  int32_t port = 0;
  size_t length = strlen(text);
  if (length > 5 || (text[0] == '0' && length > 1)) return -1;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return -1;
    port = port * 10 + (*text - '0');
  }
  return port <= 65535 ? port : -1;
}

/* "TCP4 source destination port port", all of it valid. */
static bool v1_addresses(const char *at, const char *end, lwsn_proxy_source *source) {
  char text[5][TEXT_MAX];
  const char *last = at;
  for (int i = 0; i < 5; i++) {
    last = at;
    at = field(at, end, text[i]);
    if (!at) return false;
  }
  /* the last field ends the line */
  if (at != end || memchr(last, ' ', (size_t)(end - last))) return false;
  bool v6 = strcmp(text[0], "TCP6") == 0;
  if (!v6 && strcmp(text[0], "TCP4") != 0) return false;
  uint8_t from[16], to[16];
  int family = v6 ? AF_INET6 : AF_INET;
  int32_t port = port_of(text[3]);
  if (inet_pton(family, text[1], from) != 1 || inet_pton(family, text[2], to) != 1) return false;
  if (port < 0 || port_of(text[4]) < 0) return false;
  set_address(source, from, v6);
  source->port = (uint16_t)port;
  return true;
}

static int parse_v1(const char *data, size_t size, lwsn_proxy_source *source) {
  size_t limit = size < LWSN_PROXY_V1_MAX ? size : LWSN_PROXY_V1_MAX;
  const char *cr = memchr(data, '\r', limit);
  if (!cr) return size < LWSN_PROXY_V1_MAX ? LWSN_PROXY_MORE : LWSN_PROXY_MALFORMED;
  size_t length = (size_t)(cr - data) + 2;
  if (length > LWSN_PROXY_V1_MAX) return LWSN_PROXY_MALFORMED;
  if (length > size) return LWSN_PROXY_MORE;
  if (cr[1] != '\n') return LWSN_PROXY_MALFORMED;
  const char *at = data + V1_SIGNATURE;
  size_t rest = (size_t)(cr - at);
  /* 2.1: whatever follows UNKNOWN is to be ignored */
  if (rest >= 7 && memcmp(at, "UNKNOWN", 7) == 0 && (rest == 7 || at[7] == ' ')) return (int)length;
  return v1_addresses(at, cr, source) ? (int)length : LWSN_PROXY_MALFORMED;
}

static uint16_t number(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static bool v2_addresses(uint8_t family, const uint8_t *at, size_t size, lwsn_proxy_source *source) {
  switch (family) {
    case 0x00: return true; /* UNSPEC */
    case 0x11:              /* TCP over IPv4 */
      if (size < 12) return false;
      set_address(source, at, false);
      source->port = number(at + 8);
      return true;
    case 0x21: /* TCP over IPv6 */
      if (size < 36) return false;
      set_address(source, at, true);
      source->port = number(at + 32);
      return true;
    case 0x31: /* a unix stream: it has no address to tell */ source->known = 1; return size >= 216;
    default: return false; /* no stream */
  }
}

/* 2.2.6: whether a TLV says that the client used TLS. What is no list of TLVs says nothing. */
static bool tells_tls(const uint8_t *at, size_t size) {
  enum { TLV_SSL = 0x20, CLIENT_SSL = 0x01, SSL_START = 5 };
  while (size >= 3) {
    size_t length = number(at + 1);
    if (length > size - 3) return false;
    if (at[0] == TLV_SSL) return length >= SSL_START && (at[3] & CLIENT_SSL) != 0;
    at += 3 + length;
    size -= 3 + length;
  }
  return false;
}

static size_t v2_addresses_size(uint8_t family) {
  return family == 0x11 ? 12 : family == 0x21 ? 36 : family == 0x31 ? 216 : 0;
}

static int parse_v2(const uint8_t *data, size_t size, lwsn_proxy_source *source) {
  if (size > 12 && data[12] != 0x20 && data[12] != 0x21) return LWSN_PROXY_MALFORMED;
  if (size < LWSN_PROXY_V2_START) return LWSN_PROXY_MORE;
  size_t length = number(data + 14);
  if (length > LWSN_PROXY_V2_MAX) return LWSN_PROXY_MALFORMED;
  if (size < LWSN_PROXY_V2_START + length) return LWSN_PROXY_MORE;
  bool local = data[12] == 0x20; /* a health check of the proxy itself: its family says nothing */
  if (!local && !v2_addresses(data[13], data + LWSN_PROXY_V2_START, length, source)) return LWSN_PROXY_MALFORMED;
  size_t addresses = v2_addresses_size(data[13]);
  source->secure = !local && tells_tls(data + LWSN_PROXY_V2_START + addresses, length - addresses);
  return (int)(LWSN_PROXY_V2_START + length);
}

int lwsn_proxy_header_parse(const uint8_t *data, size_t size, lwsn_proxy_source *source) {
  memset(source, 0, sizeof *source);
  if (size == 0) return LWSN_PROXY_MORE;
  size_t v1 = size < V1_SIGNATURE ? size : V1_SIGNATURE;
  if (memcmp(data, v1_signature, v1) == 0)
    return size < V1_SIGNATURE ? LWSN_PROXY_MORE : parse_v1((const char *)data, size, source);
  size_t v2 = size < sizeof v2_signature ? size : sizeof v2_signature;
  return memcmp(data, v2_signature, v2) == 0 ? parse_v2(data, size, source) : LWSN_PROXY_MALFORMED;
}
