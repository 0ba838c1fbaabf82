/* lwsn_proxy_header_parse against the PROXY protocol, versions 1 (2.1) and 2 (2.2). */
#include "wire/proxy_header.h"

#include "check.h"

#include <stdlib.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* A block exactly as large as the input: a sanitizer sees one byte too many. */
static int parse(const void *data, size_t size, lwsn_proxy_source *source) {
  uint8_t *block = malloc(size ? size : 1);
  memcpy(block, data, size);
  int result = lwsn_proxy_header_parse(block, size, source);
  free(block);
  return result;
}

static void every_beginning_asks_for_more(const char *name, const void *data, size_t header) {
  lwsn_proxy_source source;
  for (size_t size = 0; size < header; size++)
    CHECK_MSG(parse(data, size, &source) == LWSN_PROXY_MORE, "%s cut at %zu", name, size);
}

static void reads_lines(void) {
  static const struct {
    const char *line;
    int family;
    uint16_t port;
    const char *address;
    size_t size;
  } cases[] = {
      {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", 4, 56324, "\xc0\x00\x02\x01", 4},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 4, 65535, "\xff\xff\xff\xff", 4},
      {"PROXY TCP4 10.0.0.1 10.0.0.2 0 80\r\n", 4, 0, "\x0a\x00\x00\x01", 4},
      {"PROXY TCP6 2001:db8::1 ::1 4000 443\r\n", 6, 4000, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", 4, 1, "\xc0\x00\x02\x01", 4},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", 6,
       65535, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t length = strlen(cases[i].line);
    char input[256];
    lwsn_proxy_source source;
    snprintf(input, sizeof input, "%sGET /", cases[i].line);
    CHECK_MSG(parse(input, length + 5, &source) == (int)length, "%s", cases[i].line);
    CHECK_MSG(source.known && source.family == cases[i].family, "%s", cases[i].line);
    CHECK_INT(source.port, cases[i].port);
    CHECK_MSG(memcmp(source.address, cases[i].address, cases[i].size) == 0, "%s", cases[i].line);
    every_beginning_asks_for_more(cases[i].line, cases[i].line, length);
  }
}

static void keeps_the_peer_where_the_line_knows_nobody(void) {
  static const char *const lines[] = {
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
  };
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    lwsn_proxy_source source;
    CHECK_INT(parse(lines[i], strlen(lines[i]), &source), (long long)strlen(lines[i]));
    CHECK_INT(source.known, 0);
  }
}

static void refuses_lines(void) {
  static const char *const lines[] = {
      "GET / HTTP/1.1\r\n",
      "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY\tTCP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY UNKNOWNS\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
      "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
      "PROXY TCP4 ::1 ::1 1 2\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 x\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\rX",
      "PROXY \r\n",
  };
  lwsn_proxy_source source;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    CHECK_MSG(parse(lines[i], strlen(lines[i]), &source) == LWSN_PROXY_MALFORMED, "%s", lines[i]);
  CHECK_INT(parse("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", 41, &source), LWSN_PROXY_MALFORMED);
}

static void bounds_the_line(void) {
  char input[200];
  lwsn_proxy_source source;
  memset(input, 'x', sizeof input);
  memcpy(input, "PROXY UNKNOWN ", 14);
  CHECK_INT(parse(input, LWSN_PROXY_V1_MAX - 1, &source), LWSN_PROXY_MORE);
  CHECK_INT(parse(input, LWSN_PROXY_V1_MAX, &source), LWSN_PROXY_MALFORMED);
  memcpy(input + LWSN_PROXY_V1_MAX - 2, "\r\n", 2);
  CHECK_INT(parse(input, LWSN_PROXY_V1_MAX, &source), LWSN_PROXY_V1_MAX);
  memset(input + LWSN_PROXY_V1_MAX - 2, 'x', 1);
  memcpy(input + LWSN_PROXY_V1_MAX - 1, "\r\n", 2);
  CHECK_INT(parse(input, LWSN_PROXY_V1_MAX + 1, &source), LWSN_PROXY_MALFORMED);
}

/* Returns the size of a version 2 header with `length` bytes of addresses and TLVs. */
static size_t binary(uint8_t *out, int command, int family, size_t length) {
  memcpy(out, SIGNATURE, 12);
  out[12] = (uint8_t)command;
  out[13] = (uint8_t)family;
  out[14] = (uint8_t)(length >> 8);
  out[15] = (uint8_t)length;
  for (size_t i = 0; i < length; i++) out[16 + i] = (uint8_t)(i + 1);
  return 16 + length;
}

static void reads_binary_headers(void) {
  static const struct {
    const char *name;
    int command, family;
    size_t length;
    int known, source_family;
    uint16_t port;
  } cases[] = {
      {"IPv4", 0x21, 0x11, 12, 1, 4, 0x090a},
      {"IPv4 with TLVs", 0x21, 0x11, 300, 1, 4, 0x090a},
      {"IPv6", 0x21, 0x21, 36, 1, 6, 0x2122},
      {"unix", 0x21, 0x31, 216, 1, 0, 0},
      {"unspecified", 0x21, 0x00, 0, 0, 0, 0},
      {"unspecified with TLVs", 0x21, 0x00, 40, 0, 0, 0},
      {"local", 0x20, 0x00, 0, 0, 0, 0},
      {"local with addresses", 0x20, 0x11, 12, 0, 0, 0},
      {"local of a family nobody knows", 0x20, 0x7f, 3, 0, 0, 0},
      {"the largest", 0x21, 0x11, LWSN_PROXY_V2_MAX, 1, 4, 0x090a},
  };
  static uint8_t input[LWSN_PROXY_MAX + 8];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = binary(input, cases[i].command, cases[i].family, cases[i].length);
    memset(input + size, 0xee, 4);
    lwsn_proxy_source source;
    CHECK_MSG(parse(input, size + 4, &source) == (int)size, "%s", cases[i].name);
    CHECK_MSG(source.known == cases[i].known && source.family == cases[i].source_family, "%s", cases[i].name);
    CHECK_MSG(source.port == cases[i].port, "%s: port %u", cases[i].name, source.port);
    for (int k = 0; cases[i].known && k < (source.family == 6 ? 16 : source.family); k++)
      CHECK_INT(source.address[k], k + 1);
    every_beginning_asks_for_more(cases[i].name, input, size);
  }
}

static void ipv4_inside_ipv6_is_ipv4(void) {
  uint8_t input[64];
  size_t size = binary(input, 0x21, 0x21, 36);
  memset(input + 16, 0, 10);
  memset(input + 26, 0xff, 2);
  lwsn_proxy_source source;
  CHECK_INT(parse(input, size, &source), (long long)size);
  CHECK_INT(source.family, 4);
  CHECK_INT(source.address[0], 13);
}

static void refuses_binary_headers(void) {
  static const struct {
    const char *name;
    int command, family;
    size_t length;
  } cases[] = {
      {"version 1", 0x11, 0x11, 12},         {"version 3", 0x31, 0x11, 12},
      {"command 2", 0x22, 0x11, 12},         {"datagrams", 0x21, 0x12, 12},
      {"datagrams of IPv6", 0x21, 0x22, 36}, {"family 4", 0x21, 0x41, 40},
      {"IPv4 too short", 0x21, 0x11, 11},    {"IPv6 too short", 0x21, 0x21, 35},
      {"unix too short", 0x21, 0x31, 215},   {"unspecified protocol", 0x21, 0x10, 12},
  };
  uint8_t input[300];
  lwsn_proxy_source source;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = binary(input, cases[i].command, cases[i].family, cases[i].length);
    CHECK_MSG(parse(input, size, &source) == LWSN_PROXY_MALFORMED, "%s", cases[i].name);
  }
  binary(input, 0x21, 0x11, 12);
  input[14] = (LWSN_PROXY_V2_MAX + 1) >> 8;
  input[15] = (LWSN_PROXY_V2_MAX + 1) & 0xff;
  CHECK_INT(parse(input, 16, &source), LWSN_PROXY_MALFORMED);
  input[11] = 0x0b;
  CHECK_INT(parse(input, 12, &source), LWSN_PROXY_MALFORMED);
  CHECK_INT(parse("\x16\x03\x01", 3, &source), LWSN_PROXY_MALFORMED);
}

/* A header for an IPv4 client with these TLVs behind its addresses. */
static int parse_tlvs(int command, const uint8_t *tlvs, size_t size, lwsn_proxy_source *source) {
  uint8_t input[400];
  size_t whole = binary(input, command, 0x11, 12 + size);
  memcpy(input + 28, tlvs, size);
  int used = parse(input, whole, source);
  CHECK_INT(used, (long long)whole);
  return used;
}

static void finds_whether_the_client_spoke_tls(void) {
  static const struct {
    const char *name;
    bool secure;
    size_t size;
    const char *tlvs;
  } cases[] = {
      {"the client used TLS", true, 8, "\x20\0\x05\x01\0\0\0\0"},
      {"with a certificate", true, 8, "\x20\0\x05\x07\0\0\0\0"},
      {"with a certificate that failed", true, 8, "\x20\0\x05\x07\0\0\0\x01"},
      {"with its version", true, 18, "\x20\0\x0f\x01\0\0\0\0\x21\0\x07TLSv1.3"},
      {"behind ALPN and padding", true, 18, "\x01\0\x02h2\x04\0\x02\0\0\x20\0\x05\x01\0\0\0\0"},
      {"it did not", false, 8, "\x20\0\x05\0\0\0\0\0"},
      {"only the certificate is told", false, 8, "\x20\0\x05\x06\0\0\0\0"},
      {"nothing is told", false, 0, ""},
      {"other TLVs alone", false, 8, "\x01\0\x05\x01\0\0\0\0"},
      {"a TLS version outside of it", false, 10, "\x21\0\x07TLSv1.3"},
      {"too short", false, 7, "\x20\0\x04\x01\0\0\0"},
      {"longer than the header", false, 8, "\x20\0\x06\x01\0\0\0\0"},
      {"far longer than the header", false, 8, "\x20\xff\xff\x01\0\0\0\0"},
      {"behind one that is longer than the header", false, 11, "\x01\0\xff\x20\0\x05\x01\0\0\0\0"},
      {"cut inside its length", false, 2, "\x20\0"},
  };
  lwsn_proxy_source source;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    parse_tlvs(0x21, (const uint8_t *)cases[i].tlvs, cases[i].size, &source);
    CHECK_MSG(source.secure == cases[i].secure && source.known && source.family == 4, "%s", cases[i].name);
    parse_tlvs(0x20, (const uint8_t *)cases[i].tlvs, cases[i].size, &source);
    CHECK_MSG(!source.secure, "local, %s", cases[i].name);
  }
  CHECK(parse("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n", 39, &source) == 39 && !source.secure);
}

int main(void) {
  reads_lines();
  keeps_the_peer_where_the_line_knows_nobody();
  refuses_lines();
  bounds_the_line();
  reads_binary_headers();
  ipv4_inside_ipv6_is_ipv4();
  refuses_binary_headers();
  finds_whether_the_client_spoke_tls();
  return check_report();
}
