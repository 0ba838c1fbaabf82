/* Request heads: where they end, what they mean, and what is refused (RFC 9112, RFC 9110, RFC 6455 §4.2.1). */
#include "wire/http_head.h"
#include "wire/http_lists.h"
#include "wire/http_scan.h"

#include "check.h"

#include <stdlib.h>

#define HOST "Host: example.org\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"

/* ---- the end of the head ---- */

static const struct {
  const char *text;
  size_t length; /* 0: incomplete */
} ends[] = {
    {"", 0},
    {"G", 0},
    {"GET / HTTP/1.1\r\n", 0},
    {"GET / HTTP/1.1\r\n\r", 0},
    {"GET / HTTP/1.1\r\n\r\n", 18},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\nGET", 24},
    {"GET / HTTP/1.1\r\n\r\n\r\n\r\n", 18},
    {"\r\nGET / HTTP/1.1\r\n\r\n", 20},
    {"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\nbody", 24},
    {"\r\n\r\n\r\n\r\n", 0},
    {"\r\n\r\n\r", 0},
    {"GET / HTTP/1.1\n\n", 0},
    {"GET / HTTP/1.1\r\r\n\n", 0},
    {"GET / HTTP/1.1\n\r\n\r\n", 19},
    {"GET / HTTP/1.1\r\n\n\r\n\r\n", 21},
    {"\n\r\n\r\n", 5},
    {"\r\r\n\r\n", 5},
    {"\r\nX\r\n\r\n", 7},
    {"\r\n\nX\r\n\r\n", 8},
};

/* Calls the search with p growing as told, on heap copies of exactly the size known so far. */
static size_t end_in_steps(const char *text, size_t n, size_t first, size_t step) {
  size_t resume = 0, found = 0;
  for (size_t known = first; !found; known += step) {
    if (known > n) known = n;
    char *copy = malloc(known + 1);
    memcpy(copy, text, known);
    found = lwsn_http_head_end(copy, known, &resume);
    free(copy);
    if (known == n) break;
  }
  return found;
}

static void finds_the_end_however_the_bytes_arrive(void) {
  for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
    const char *text = ends[k].text;
    size_t n = strlen(text);
    for (size_t cut = 0; cut <= n; cut++)
      CHECK_MSG(end_in_steps(text, n, cut, n) == ends[k].length, "case %zu cut at %zu", k, cut);
    CHECK_MSG(end_in_steps(text, n, 0, 1) == ends[k].length, "case %zu byte by byte", k);
    for (size_t cut = 0; cut <= n; cut++) /* two pieces, then byte by byte */
      CHECK_MSG(end_in_steps(text, n, cut, 1) == ends[k].length, "case %zu bytes from %zu", k, cut);
  }
}

static void searching_byte_by_byte_is_linear(void) {
  static const char *const units[] = {"a", "\r\n", "\n", "A: b\r\n"};
  for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
    enum { N = 1 << 16 };
    char *text = malloc(N);
    size_t unit = strlen(units[k]), resume = 0, found = 0, looked = 0;
    for (size_t i = 0; i < N; i++) text[i] = units[k][i % unit];
    for (size_t n = 1; n <= N; n++) {
      looked += n - resume; /* a search looks at what lies behind *resume */
      found |= lwsn_http_head_end(text, n, &resume);
      CHECK(resume <= n && n - resume <= 1);
    }
    CHECK_INT(found, 0);
    CHECK(looked <= 3 * (size_t)N);
    free(text);
  }
}

/* ---- parsing ---- */

static int parse_bytes(const char *p, size_t n, lwsn_http_head *h, const char **why) {
  *why = NULL;
  return lwsn_http_head_parse(p, n, h, why);
}

/* Parses a heap copy (a sanitizer sees reads beyond it) and checks that a sentence comes with a refusal only. */
static int status_of(const char *p, size_t n) {
  lwsn_http_head h;
  const char *why;
  char *copy = malloc(n + 1);
  memcpy(copy, p, n);
  int status = parse_bytes(copy, n, &h, &why);
  CHECK_MSG((why != NULL) == (status != 0), "status %d with %s", status, why ? why : "no sentence");
  if (why) CHECK_MSG(strlen(why) > 10 && why[strlen(why) - 1] == '.', "\"%s\" is no sentence", why);
  free(copy);
  return status;
}

static bool is(lwsn_slice s, const char *text) { return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0; }

static void understands_a_whole_request(void) {
  static const char text[] =
      "\r\nGET /chat?x=1 HTTP/1.1\r\nHost: example.org:8080\r\nuPGRADE: foo, WebSocket\r\n"
      "Connection: keep-alive\r\nConnection:Upgrade\r\nOrigin: \t https://a.example \t\r\n" KEY VERSION
      "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: third\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
      "X-Empty:\r\nX-Text: caf\xc3\xa9\r\n\r\n";
  lwsn_http_head h;
  const char *why;
  CHECK_INT(parse_bytes(text, sizeof text - 1, &h, &why), 0);
  CHECK(is(h.method, "GET"));
  CHECK(is(h.target, "/chat?x=1"));
  CHECK_INT(h.minor, 1);
  CHECK(h.get_method && !h.head_method && h.keep_alive && !h.expect_continue && !h.chunked);
  CHECK_INT(h.content_length, -1);
  CHECK(h.upgrade_websocket && h.connection_upgrade);
  CHECK(is(h.host, "example.org:8080"));
  CHECK(is(h.origin, "https://a.example"));
  CHECK(is(h.ws_key, "dGhlIHNhbXBsZSBub25jZQ=="));
  CHECK(is(h.ws_version, "13"));
  CHECK(is(h.ws_protocol, "chat, superchat"));
  CHECK(is(h.ws_extensions, "permessage-deflate; client_max_window_bits"));
  CHECK_INT(h.ws_key_count, 1);
  CHECK_INT(h.ws_version_count, 1);
  CHECK_INT(h.ws_protocol_count, 2);
  CHECK_INT(h.ws_extensions_count, 1);
  CHECK_INT(h.header_count, 12);
  CHECK_INT(lwsn_http_upgrade_check(&h, &why), 0);
  CHECK(why == NULL);
}

static void absent_fields_have_no_pointer_and_empty_ones_do(void) {
  static const char text[] = "HEAD / HTTP/1.0\r\nOrigin: \r\n\r\n";
  lwsn_http_head h;
  const char *why;
  CHECK_INT(parse_bytes(text, sizeof text - 1, &h, &why), 0);
  CHECK(h.host.p == NULL && h.host.n == 0 && h.ws_key.p == NULL && h.ws_protocol.p == NULL);
  CHECK(h.origin.p != NULL && h.origin.n == 0);
  CHECK(h.head_method && !h.get_method && !h.keep_alive);
  CHECK_INT(h.minor, 0);
  CHECK_INT(h.ws_key_count, 0);
}

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
  const char *name;
  int status;
  const char *text;
  size_t n;
} heads[] = {
    /* the request line */
    {"1.1", 0, BYTES(GET "\r\n")},
    {"1.0 without Host", 0, BYTES("GET / HTTP/1.0\r\n\r\n")},
    {"empty lines before", 0, BYTES("\r\n\r\n" GET "\r\n")},
    {"CONNECT", 501, BYTES("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")},
    {"CONNECT in another case", 0, BYTES("connect / HTTP/1.1\r\n" HOST "\r\n")},
    {"unknown method", 0, BYTES("BREW /pot HTTP/1.1\r\n" HOST "\r\n")},
    {"path of two slashes", 0, BYTES("GET //a/b HTTP/1.1\r\n" HOST "\r\n")},
    {"absolute target without path", 0, BYTES("GET http://a HTTP/1.1\r\n" HOST "\r\n")},
    {"absolute target with a query alone", 0, BYTES("GET http://a?q HTTP/1.1\r\n" HOST "\r\n")},
    {"absolute target in capitals", 0, BYTES("GET HTTPS://A:8/ HTTP/1.1\r\n" HOST "\r\n")},
    {"absolute ws target", 0, BYTES("GET ws://a/b HTTP/1.1\r\n" HOST "\r\n")},
    {"absolute wss target with IPv6", 0, BYTES("GET wss://[::1]:8/b HTTP/1.1\r\n" HOST "\r\n")},
    {"* of OPTIONS", 0, BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n")},
    {"* of GET", 400, BYTES("GET * HTTP/1.1\r\n" HOST "\r\n")},
    {"*/ of OPTIONS", 400, BYTES("OPTIONS */ HTTP/1.1\r\n" HOST "\r\n")},
    {"target without slash", 400, BYTES("GET a HTTP/1.1\r\n" HOST "\r\n")},
    {"target of a query", 400, BYTES("GET ?a HTTP/1.1\r\n" HOST "\r\n")},
    {"authority as target", 400, BYTES("GET a:80 HTTP/1.1\r\n" HOST "\r\n")},
    {"scheme without authority", 400, BYTES("GET http:x HTTP/1.1\r\n" HOST "\r\n")},
    {"scheme with one slash", 400, BYTES("GET http:/x HTTP/1.1\r\n" HOST "\r\n")},
    {"empty authority", 400, BYTES("GET http:///p HTTP/1.1\r\n" HOST "\r\n")},
    {"authority of a port", 400, BYTES("GET http://:80/ HTTP/1.1\r\n" HOST "\r\n")},
    {"authority with a user", 400, BYTES("GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n")},
    {"other scheme", 400, BYTES("GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n")},
    {"fragment", 400, BYTES("GET /a#b HTTP/1.1\r\n" HOST "\r\n")},
    {"fragment of an absolute target", 400, BYTES("GET http://a#b HTTP/1.1\r\n" HOST "\r\n")},
    {"absolute target without Host", 400, BYTES("GET http://a/ HTTP/1.1\r\n\r\n")},
    {"absolute target and a bad Host", 400, BYTES("GET http://a/ HTTP/1.1\r\nHost: a/b\r\n\r\n")},
    {"absolute target", 0, BYTES("GET http://a/b HTTP/1.1\r\n" HOST "\r\n")},
    {"only an empty line", 400, BYTES("\r\n")},
    {"nothing", 400, BYTES("")},
    {"method not a token", 400, BYTES("G(T / HTTP/1.1\r\n" HOST "\r\n")},
    {"no method", 400, BYTES(" / HTTP/1.1\r\n" HOST "\r\n")},
    {"white space before the method", 400, BYTES(" GET / HTTP/1.1\r\n" HOST "\r\n")},
    {"method only", 400, BYTES("GET\r\n" HOST "\r\n")},
    {"no version (HTTP/0.9)", 400, BYTES("GET /\r\n" HOST "\r\n")},
    {"two SP before the target", 400, BYTES("GET  / HTTP/1.1\r\n" HOST "\r\n")},
    {"two SP before the version", 400, BYTES("GET /  HTTP/1.1\r\n" HOST "\r\n")},
    {"SP behind the version", 400, BYTES("GET / HTTP/1.1 \r\n" HOST "\r\n")},
    {"SP in the target", 400, BYTES("GET /a b HTTP/1.1\r\n" HOST "\r\n")},
    {"TAB as separator", 400, BYTES("GET\t/\tHTTP/1.1\r\n" HOST "\r\n")},
    {"TAB in the target", 400, BYTES("GET /\t HTTP/1.1\r\n" HOST "\r\n")},
    {"empty target", 400, BYTES("GET  HTTP/1.1\r\n" HOST "\r\n")},
    {"non-ASCII target", 400, BYTES("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n")},
    {"DEL in the target", 400, BYTES("GET /\x7f HTTP/1.1\r\n" HOST "\r\n")},
    {"NUL in the target", 400, BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n")},
    {"NUL in the method", 400, BYTES("GE\0T / HTTP/1.1\r\n" HOST "\r\n")},
    {"bare CR in the request line", 400, BYTES("GET /\r HTTP/1.1\r\n" HOST "\r\n")},
    {"bare LF behind the request line", 400, BYTES("GET / HTTP/1.1\n" HOST "\r\n")},
    {"CR CR LF behind the request line", 400, BYTES("GET / HTTP/1.1\r\r\n" HOST "\r\n")},
    {"lower-case version", 400, BYTES("GET / http/1.1\r\n" HOST "\r\n")},
    {"version 1.1x", 400, BYTES("GET / HTTP/1.1x\r\n" HOST "\r\n")},
    {"version 1", 400, BYTES("GET / HTTP/1\r\n" HOST "\r\n")},
    {"version 11.1", 400, BYTES("GET / HTTP/11.1\r\n" HOST "\r\n")},
    {"version x.1", 400, BYTES("GET / HTTP/x.1\r\n" HOST "\r\n")},
    {"version 1,1", 400, BYTES("GET / HTTP/1,1\r\n" HOST "\r\n")},
    {"other protocol", 400, BYTES("GET / ICY/1.10\r\n" HOST "\r\n")},
    {"version 1.2", 505, BYTES("GET / HTTP/1.2\r\n" HOST "\r\n")},
    {"version 0.9", 505, BYTES("GET / HTTP/0.9\r\n" HOST "\r\n")},
    {"version 2.0", 505, BYTES("GET / HTTP/2.0\r\n" HOST "\r\n")},
    {"no target, whatever the version", 400, BYTES("GET  HTTP/7.1\r\n" HOST "\r\n")},
    {"HTTP/2 preface", 505, BYTES("PRI * HTTP/2.0\r\n\r\n")},
    {"TLS hello", 400, BYTES("\x16\x03\x01\x02\0\x01\0\x01\xfc\r\n\r\n")},
    /* header lines */
    {"no white space around the value", 0, BYTES(GET "A:b\r\n\r\n")},
    {"TAB in a value", 0, BYTES(GET "A: b\tc\r\n\r\n")},
    {"every tchar in a name", 0, BYTES(GET "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n")},
    {"obs-text in a value", 0, BYTES(GET "A: \x80\xff\r\n\r\n")},
    {"empty value", 0, BYTES(GET "A:\r\nB: \t \r\n\r\n")},
    {"colon in a value", 0, BYTES(GET "A: b:c:\r\n\r\n")},
    {"SP before the colon", 400, BYTES(GET "A : b\r\n\r\n")},
    {"TAB before the colon", 400, BYTES(GET "A\t: b\r\n\r\n")},
    {"no colon", 400, BYTES(GET "A\r\n\r\n")},
    {"no name", 400, BYTES(GET ": b\r\n\r\n")},
    {"SP in a name", 400, BYTES(GET "A b: c\r\n\r\n")},
    {"folded with SP", 400, BYTES(GET "A: b\r\n c\r\n\r\n")},
    {"folded with TAB", 400, BYTES(GET "A: b\r\n\tc: d\r\n\r\n")},
    {"line of white space", 400, BYTES(GET "A: b\r\n \r\n\r\n")},
    {"white space before the first header", 400, BYTES("GET / HTTP/1.1\r\n " HOST "\r\n")},
    {"NUL in a value", 400, BYTES(GET "A: b\0c\r\n\r\n")},
    {"NUL in a name", 400, BYTES(GET "A\0: b\r\n\r\n")},
    {"control character in a value", 400, BYTES(GET "A: b\x01\r\n\r\n")},
    {"escape in a value", 400, BYTES(GET "A: \x1b[0m\r\n\r\n")},
    {"DEL in a value", 400, BYTES(GET "A: b\x7f\r\n\r\n")},
    {"vertical tab in a value", 400, BYTES(GET "A: b\vc\r\n\r\n")},
    {"non-ASCII name", 400, BYTES(GET "\xc3\xa9: b\r\n\r\n")},
    {"bare LF behind a header", 400, BYTES(GET "A: b\nB: c\r\n\r\n")},
    {"bare LF hides a header", 400, BYTES(GET "A: b\nContent-Length: 5\r\n\r\n")},
    {"bare CR in a value", 400, BYTES(GET "A: b\rc\r\n\r\n")},
    {"bare CR hides a header", 400, BYTES(GET "A: b\rContent-Length: 5\r\n\r\n")},
    {"CR CR LF behind a header", 400, BYTES(GET "A: b\r\r\n\r\n")},
    {"LF LF at the end", 400, BYTES(GET "A: b\n\n")},
    {"CR LF LF at the end", 400, BYTES(GET "A: b\r\n\n")},
    {"no empty line", 400, BYTES(GET)},
    {"bytes behind the head", 400, BYTES(GET "\r\nX")},
    /* Host */
    {"no Host", 400, BYTES("GET / HTTP/1.1\r\n\r\n")},
    {"two Host", 400, BYTES(GET HOST "\r\n")},
    {"two Host in 1.0", 400, BYTES("GET / HTTP/1.0\r\n" HOST HOST "\r\n")},
    {"empty Host", 0, BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {"Host with port", 0, BYTES("GET / HTTP/1.1\r\nHost: a-b.example:443\r\n\r\n")},
    {"Host with empty port", 0, BYTES("GET / HTTP/1.1\r\nHost: a:\r\n\r\n")},
    {"IPv6 Host", 0, BYTES("GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:80\r\n\r\n")},
    {"IPv6 Host without port", 0, BYTES("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n")},
    {"Host with underscore", 0, BYTES("GET / HTTP/1.1\r\nHost: my_service\r\n\r\n")},
    {"Host of the largest port", 0, BYTES("GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n")},
    {"Host with an encoded name", 0, BYTES("GET / HTTP/1.1\r\nHost: %c3%A9\r\n\r\n")},
    {"Host of a port beyond", 400, BYTES("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n")},
    {"Host of a huge port", 400, BYTES("GET / HTTP/1.1\r\nHost: a:18446744073709551617\r\n\r\n")},
    {"Host of a port alone", 400, BYTES("GET / HTTP/1.1\r\nHost: :80\r\n\r\n")},
    {"Host of empty brackets", 400, BYTES("GET / HTTP/1.1\r\nHost: []\r\n\r\n")},
    {"Host of no address in brackets", 400, BYTES("GET / HTTP/1.1\r\nHost: [abc]\r\n\r\n")},
    {"Host of an address too long", 400, BYTES("GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8:9]\r\n\r\n")},
    {"Host with a bad code", 400, BYTES("GET / HTTP/1.1\r\nHost: %4\r\n\r\n")},
    {"Host with path", 400, BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
    {"Host with user", 400, BYTES("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")},
    {"Host with SP", 400, BYTES("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
    {"Host with bad port", 400, BYTES("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n")},
    {"Host with two ports", 400, BYTES("GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n")},
    {"Host with open bracket", 400, BYTES("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n")},
    {"Host with text behind the bracket", 400, BYTES("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n")},
    {"Host with quote", 400, BYTES("GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n")},
    {"Host non-ASCII", 400, BYTES("GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n")},
    /* body length */
    {"length 0", 0, BYTES(GET "Content-Length: 0\r\n\r\n")},
    {"length with leading zeros", 0, BYTES(GET "Content-Length: 0005\r\n\r\n")},
    {"largest length", 0, BYTES(GET "Content-Length: 9223372036854775807\r\n\r\n")},
    {"length too large by one", 400, BYTES(GET "Content-Length: 9223372036854775808\r\n\r\n")},
    {"length wraps 64 bits", 400, BYTES(GET "Content-Length: 18446744073709551621\r\n\r\n")},
    {"huge length", 400, BYTES(GET "Content-Length: 99999999999999999999999999999\r\n\r\n")},
    {"empty length", 400, BYTES(GET "Content-Length:\r\n\r\n")},
    {"negative length", 400, BYTES(GET "Content-Length: -1\r\n\r\n")},
    {"length with sign", 400, BYTES(GET "Content-Length: +5\r\n\r\n")},
    {"hexadecimal length", 400, BYTES(GET "Content-Length: 0x5\r\n\r\n")},
    {"length with fraction", 400, BYTES(GET "Content-Length: 5.0\r\n\r\n")},
    {"length with SP inside", 400, BYTES(GET "Content-Length: 5 5\r\n\r\n")},
    {"length list", 400, BYTES(GET "Content-Length: 5, 5\r\n\r\n")},
    {"differing lengths", 400, BYTES(GET "Content-Length: 5\r\nContent-Length: 6\r\n\r\n")},
    {"differing lengths, other case", 400, BYTES(GET "Content-Length: 5\r\ncontent-length: 0\r\n\r\n")},
    {"equal lengths", 400, BYTES(GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n")},
    {"chunked", 0, BYTES(GET "Transfer-Encoding: chunked\r\n\r\n")},
    {"Chunked", 0, BYTES(GET "Transfer-Encoding: Chunked \r\n\r\n")},
    {"TE and CL", 400, BYTES(GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n")},
    {"CL and TE", 400, BYTES(GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"CL 0 and TE", 400, BYTES(GET "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"CL and unknown TE", 400, BYTES(GET "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n")},
    {"CL and empty TE", 400, BYTES(GET "Content-Length: 5\r\nTransfer-Encoding:\r\n\r\n")},
    {"TE in 1.0", 400, BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"TE twice", 400, BYTES(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"TE twice, second unknown", 400, BYTES(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n")},
    {"empty TE", 400, BYTES(GET "Transfer-Encoding:\r\n\r\n")},
    {"chunked, chunked", 400, BYTES(GET "Transfer-Encoding: chunked, chunked\r\n\r\n")},
    {"chunked not last", 400, BYTES(GET "Transfer-Encoding: chunked, gzip\r\n\r\n")},
    {"chunked and an empty element", 400, BYTES(GET "Transfer-Encoding: chunked,\r\n\r\n")},
    {"TE with vertical tab", 400, BYTES(GET "Transfer-Encoding: \vchunked\r\n\r\n")},
    {"TE name with SP", 400, BYTES(GET "Transfer-Encoding : chunked\r\n\r\n")},
    {"folded TE", 400, BYTES(GET "Transfer-Encoding:\r\n chunked\r\n\r\n")},
    {"gzip", 501, BYTES(GET "Transfer-Encoding: gzip\r\n\r\n")},
    {"gzip, chunked", 501, BYTES(GET "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {"identity", 501, BYTES(GET "Transfer-Encoding: identity\r\n\r\n")},
    {"xchunked", 501, BYTES(GET "Transfer-Encoding: xchunked\r\n\r\n")},
    {"chunked with a parameter", 501, BYTES(GET "Transfer-Encoding: chunked;q=1\r\n\r\n")},
    {"quoted chunked", 501, BYTES(GET "Transfer-Encoding: \"chunked\"\r\n\r\n")},
    /* the rest */
    {"100-continue", 0, BYTES(GET "Expect: 100-Continue\r\n\r\n")},
    {"other expectation", 417, BYTES(GET "Expect: 200-ok\r\n\r\n")},
    {"empty expectation", 417, BYTES(GET "Expect:\r\n\r\n")},
    {"other expectation behind a good one", 417, BYTES(GET "Expect: 100-continue\r\nExpect: x\r\n\r\n")},
    {"malformed, then other expectation", 400, BYTES(GET "A : b\r\nExpect: x\r\n\r\n")},
    {"other expectation, then malformed", 400, BYTES(GET "Expect: x\r\nA : b\r\n\r\n")},
    {"other expectation, then smuggling", 400, BYTES(GET "Expect: x\r\nContent-Length: x\r\n\r\n")},
    {"two Origin", 400, BYTES(GET "Origin: https://a\r\nOrigin: https://b\r\n\r\n")},
};

static void answers_each_head_with_its_status(void) {
  for (size_t k = 0; k < sizeof heads / sizeof *heads; k++) {
    int status = status_of(heads[k].text, heads[k].n);
    CHECK_MSG(status == heads[k].status, "%s: %d, expected %d", heads[k].name, status, heads[k].status);
  }
}

static void no_part_of_a_head_is_a_head(void) {
  for (size_t k = 0; k < sizeof heads / sizeof *heads; k++)
    for (size_t n = 0; heads[k].status == 0 && n < heads[k].n; n++)
      CHECK_MSG(status_of(heads[k].text, n) == 400, "%s: the first %zu bytes", heads[k].name, n);
}

static void every_byte_is_judged_in_every_place(void) {
  static const char tchars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (unsigned c = 0; c < 256; c++) {
    char name[] = GET "AxB: c\r\n\r\n", value[] = GET "A: bxc\r\n\r\n", target[] = "GET /x HTTP/1.1\r\n" HOST "\r\n";
    name[sizeof GET - 1 + 1] = (char)c;
    value[sizeof GET - 1 + 4] = (char)c;
    target[5] = (char)c;
    bool tchar = c && strchr(tchars, (int)c), text = c == '\t' || (c >= 0x20 && c != 0x7f);
    int expected_name = tchar || c == ':' ? 0 : 400; /* "A:B: c" is a field as well */
    CHECK_MSG(status_of(name, sizeof name - 1) == expected_name, "byte %02x in a name", c);
    CHECK_MSG(status_of(value, sizeof value - 1) == (text ? 0 : 400), "byte %02x in a value", c);
    CHECK_MSG(status_of(target, sizeof target - 1) == (c > 0x20 && c < 0x7f && c != '#' ? 0 : 400),
              "byte %02x in a target", c);
    char byte = (char)c;
    CHECK_MSG(lwsn_http_is_token(&byte, 1) == tchar, "byte %02x as token", c);
    CHECK_MSG(lwsn_http_is_value(&byte, 1) == text, "byte %02x as value", c);
  }
  CHECK(!lwsn_http_is_token("", 0));
  CHECK(!lwsn_http_is_token("a b", 3));
  CHECK(lwsn_http_is_token("permessage-deflate", 18));
  CHECK(lwsn_http_is_value("", 0));
}

static void a_changed_byte_never_crashes_it(void) {
  static const char whole[] = GET UPGRADE CONNECTION KEY VERSION "Content-Length: 0\r\nOrigin: x\r\n\r\n";
  for (size_t at = 0; at < sizeof whole - 1; at++)
    for (unsigned c = 0; c < 256; c++) {
      char text[sizeof whole];
      memcpy(text, whole, sizeof whole);
      text[at] = (char)c;
      int status = status_of(text, sizeof text - 1);
      CHECK_MSG(status == 0 || status == 400 || status == 505, "byte %02x at %zu: %d", c, at, status);
    }
}

static const struct {
  const char *text;
  bool keep_alive, expect_continue, chunked, websocket, upgrade;
  int64_t length;
} meanings[] = {
    {GET "\r\n", true, false, false, false, false, -1},
    {GET "Connection: close\r\n\r\n", false, false, false, false, false, -1},
    {GET "Connection: foo, Close\r\n\r\n", false, false, false, false, false, -1},
    {GET "Connection: closed\r\n\r\n", true, false, false, false, false, -1},
    {GET "Connection: keep-alive\r\nConnection: close\r\n\r\n", false, false, false, false, false, -1},
    {"GET / HTTP/1.0\r\n\r\n", false, false, false, false, false, -1},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, false, false, false, -1},
    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, false, false, false, false, -1},
    {GET "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", true, true, false, false, false, 5},
    {"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false, false, false, false, -1},
    {GET "Transfer-Encoding: CHUNKED\r\n\r\n", true, false, true, false, false, -1},
    {GET "Content-Length: 0\r\n\r\n", true, false, false, false, false, 0},
    {GET "Content-Length: 9223372036854775807\r\n\r\n", true, false, false, false, false, INT64_MAX},
    {GET UPGRADE "\r\n", true, false, false, true, false, -1},
    {GET "Upgrade: WEBSOCKET\r\n\r\n", true, false, false, true, false, -1},
    {GET "Upgrade: h2c\r\nUpgrade: x , websocket,\r\n\r\n", true, false, false, true, false, -1},
    {GET "Upgrade: websockets\r\n\r\n", true, false, false, false, false, -1},
    {GET "Upgrade: web socket\r\n\r\n", true, false, false, false, false, -1},
    {GET "Upgrade: websocket/13\r\n\r\n", true, false, false, false, false, -1},
    {GET "Connection: keep-alive, UPGRADE\r\n\r\n", true, false, false, false, true, -1},
    {GET "Connection: upgrade\r\nConnection: foo\r\n\r\n", true, false, false, false, true, -1},
    {GET "X-Connection: upgrade\r\n\r\n", true, false, false, false, false, -1},
};

static void tells_what_the_fields_mean(void) {
  for (size_t k = 0; k < sizeof meanings / sizeof *meanings; k++) {
    lwsn_http_head h;
    const char *why, *text = meanings[k].text;
    int status = parse_bytes(text, strlen(text), &h, &why);
    CHECK_MSG(status == 0, "case %zu: %s", k, why);
    CHECK_MSG(h.keep_alive == meanings[k].keep_alive, "case %zu: keep_alive", k);
    CHECK_MSG(h.expect_continue == meanings[k].expect_continue, "case %zu: expect_continue", k);
    CHECK_MSG(h.chunked == meanings[k].chunked, "case %zu: chunked", k);
    CHECK_MSG(h.upgrade_websocket == meanings[k].websocket, "case %zu: upgrade_websocket", k);
    CHECK_MSG(h.connection_upgrade == meanings[k].upgrade, "case %zu: connection_upgrade", k);
    CHECK_MSG(h.content_length == meanings[k].length, "case %zu: content_length", k);
  }
}

static void the_host_is_that_of_an_absolute_target(void) {
  static const struct {
    const char *text, *host;
  } hosts[] = {
      {"GET / HTTP/1.1\r\nHost: b\r\n\r\n", "b"},
      {"GET http://a:8/ HTTP/1.1\r\nHost: b\r\n\r\n", "a:8"},
      {"GET ws://[::1]?q HTTP/1.1\r\nHost: b\r\n\r\n", "[::1]"},
      {"GET //a/ HTTP/1.1\r\nHost: b\r\n\r\n", "b"},
      {"GET http://a HTTP/1.1\r\nHost:\r\n\r\n", "a"},
      {"GET http://a HTTP/1.0\r\n\r\n", "a"},
  };
  for (size_t k = 0; k < sizeof hosts / sizeof *hosts; k++) {
    lwsn_http_head h;
    const char *why;
    CHECK_INT(parse_bytes(hosts[k].text, strlen(hosts[k].text), &h, &why), 0);
    CHECK(is(h.host, hosts[k].host));
  }
}

/* How many bytes come until a head is known to be none; 0: that is never known before its end. */
static size_t scanned(const char *text, size_t n) {
  lwsn_http_scan scan = {0};
  for (size_t i = 1; i <= n; i++)
    if (!lwsn_http_scan_more(&scan, text, i)) return i;
  return 0;
}

static void what_can_be_no_request_is_known_at_its_first_wrong_byte(void) {
  static const struct {
    const char *text;
    size_t n, at;
  } begun[] = {
      {BYTES("\x16\x03\x01"), 1},
      {BYTES("SSH-2.0-x\r\n"), 10},
      {BYTES("GET / HTTP/1.1\n"), 15},
      {BYTES("\nGET"), 1},
      {BYTES("\r\r\n"), 2},
      {BYTES("GET / HTTP/1.1\r\nA: b\n"), 21},
      {BYTES("GET / HTTP/1.1\r\n A"), 17},
      {BYTES("GET / HTTP/1.1\r\nA :"), 18},
      {BYTES("GET / HTTP/1.1\r\nA: \1"), 20},
      {BYTES("GET / FTP"), 7},
      {BYTES("GET  /"), 5},
      {BYTES("GET / HTTP/1.1\r\nA: b\r\n\rX"), 24},
      {BYTES("HELO a\r\n"), 7},
      {BYTES("PROXY TCP4 1.2.3.4"), 12},
      {BYTES("GET /a#"), 7},
      {BYTES(" GET"), 1},
  };
  for (size_t k = 0; k < sizeof begun / sizeof *begun; k++) {
    size_t at = scanned(begun[k].text, begun[k].n);
    CHECK_MSG(at == begun[k].at, "case %zu: known after %zu bytes, expected %zu", k, at, begun[k].at);
  }
}

static void what_is_known_early_would_be_400(void) {
  for (size_t k = 0; k < sizeof heads / sizeof *heads; k++)
    if (scanned(heads[k].text, heads[k].n) > 0)
      CHECK_MSG(status_of(heads[k].text, heads[k].n) == 400, "%s", heads[k].name);
}

static void methods_are_case_sensitive(void) {
  static const char *const others[] = {"get", "Get", "HEADS", "head", "GETX", "GE"};
  for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
    char text[64];
    int n = snprintf(text, sizeof text, "%s / HTTP/1.1\r\n" HOST "\r\n", others[k]);
    lwsn_http_head h;
    const char *why;
    CHECK_INT(parse_bytes(text, (size_t)n, &h, &why), 0);
    CHECK(!h.get_method && !h.head_method);
  }
}

static const struct {
  const char *list, *token;
  bool has;
} lists[] = {
    {"a", "a", true},
    {"A", "a", true},
    {"a", "A", true},
    {"a,b", "b", true},
    {" a , b ", "b", true},
    {"\ta\t,b", "a", true},
    {",,a", "a", true},
    {"a,", "a", true},
    {"", "a", false},
    {",", "a", false},
    {"ab", "a", false},
    {"a", "ab", false},
    {"a b", "a", false},
    {"b,ac,d", "a", false},
    {"a;q=1", "a", false},
    {"x, upgrade", "Upgrade", true},
    {"\"x,a\"", "a", false},
    {"\"x\\\",a\", b", "b", true},
    {"\"x\\\",a\", b", "a", false},
    {"\"x, a", "a", false},
};

static void finds_tokens_in_lists(void) {
  for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
    size_t n = strlen(lists[k].list);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, lists[k].list, n);
    CHECK_MSG(lwsn_http_has((lwsn_slice){copy, n}, lists[k].token) == lists[k].has, "\"%s\" has \"%s\"", lists[k].list,
              lists[k].token);
    free(copy);
  }
  CHECK(!lwsn_http_has((lwsn_slice){NULL, 0}, "a"));
}

int main(void) {
  finds_the_end_however_the_bytes_arrive();
  searching_byte_by_byte_is_linear();
  understands_a_whole_request();
  absent_fields_have_no_pointer_and_empty_ones_do();
  answers_each_head_with_its_status();
  no_part_of_a_head_is_a_head();
  every_byte_is_judged_in_every_place();
  a_changed_byte_never_crashes_it();
  tells_what_the_fields_mean();
  the_host_is_that_of_an_absolute_target();
  what_can_be_no_request_is_known_at_its_first_wrong_byte();
  what_is_known_early_would_be_400();
  methods_are_case_sensitive();
  finds_tokens_in_lists();
  return check_report();
}
