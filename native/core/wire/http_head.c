#include "wire/http_head.h"

#include <string.h>

#include "wire/http_chars.h"
#include "wire/http_lists.h"
#include "wire/http_target.h"

bool lwsn_http_is_token(const char *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!lwsn_is_tchar(p[i])) return false;
  return n > 0;
}

bool lwsn_http_is_value(const char *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!lwsn_is_text(p[i])) return false;
  return true;
}

/* ---- the end of the head ---- */

/*
 * *resume is 0 or stands behind a LF only while empty lines before the request line are skipped. After that it
 * is moved back by one where it would, so that one number tells both phases.
 */
size_t lwsn_http_head_end(const char *p, size_t n, size_t *resume) {
  size_t i = *resume;
  if (i == 0 || p[i - 1] == '\n') {
    while (n - i >= 2 && p[i] == '\r' && p[i + 1] == '\n') i += 2;
    *resume = i;
    if (n - i < 2) return 0;
  }
  const char *lf;
  for (; i < n && (lf = memchr(p + i, '\n', n - i)); i = (size_t)(lf - p) + 1)
    if (lf - p >= 3 && lf[-1] == '\r' && lf[-2] == '\n' && lf[-3] == '\r') return (size_t)(lf - p) + 1;
  *resume = p[n - 1] == '\n' ? n - 1 : n;
  return 0;
}

/* ---- parsing ---- */

/* What is needed while parsing and not told to the caller. */
typedef struct parse {
  lwsn_http_head *out;
  const char *why;
  unsigned host_count, origin_count, length_count, coding_count;
  lwsn_slice length, coding;
  bool close, stay; /* Connection: close, keep-alive */
  bool connect;     /* the method is CONNECT */
} parse;

static int refuse(parse *s, int status, const char *why) {
  s->why = why;
  return status;
}

/* The line at *p without its CRLF, which is consumed. False at a bare CR or LF, or when there is no line. */
static bool take_line(const char **p, const char *end, lwsn_slice *line) {
  const char *lf = memchr(*p, '\n', (size_t)(end - *p));
  if (!lf || lf == *p || lf[-1] != '\r') return false;
  *line = (lwsn_slice){*p, (size_t)(lf - 1 - *p)};
  *p = lf + 1;
  return !memchr(line->p, '\r', line->n);
}

/* "HTTP/" DIGIT "." DIGIT, case-sensitive (RFC 9112 §2.3) */
static int parse_version(parse *s, lwsn_slice v) {
  if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || !lwsn_is_digit(v.p[5]) || v.p[6] != '.' || !lwsn_is_digit(v.p[7]))
    return refuse(s, 400, "The request line does not end with an HTTP version.");
  s->out->minor = v.p[7] == '0' ? 0 : 1;
  if (v.p[5] != '1' || v.p[7] > '1') return refuse(s, 505, "Only HTTP/1.1 and HTTP/1.0 are supported.");
  return 0;
}

static int parse_request_line(parse *s, lwsn_slice line) {
  const char *end = line.p + line.n, *first = memchr(line.p, ' ', line.n);
  if (!first) return refuse(s, 400, "The request line is not \"method target version\".");
  const char *second = memchr(first + 1, ' ', (size_t)(end - first - 1));
  if (!second) return refuse(s, 400, "The request line is not \"method target version\".");
  lwsn_slice method = {line.p, (size_t)(first - line.p)}, target = {first + 1, (size_t)(second - first - 1)};
  if (!lwsn_http_is_token(method.p, method.n)) return refuse(s, 400, "The request method is not a token.");
  if (target.n == 0) return refuse(s, 400, "The request target is empty.");
  for (size_t i = 0; i < target.n; i++)
    if (!lwsn_is_target(target.p[i]))
      return refuse(s, 400, "The request target has a byte that is not visible ASCII, or '#'.");
  s->connect = method.n == 7 && memcmp(method.p, "CONNECT", 7) == 0;
  s->out->method = method;
  s->out->target = target;
  s->out->get_method = method.n == 3 && memcmp(method.p, "GET", 3) == 0;
  s->out->head_method = method.n == 4 && memcmp(method.p, "HEAD", 4) == 0;
  return parse_version(s, (lwsn_slice){second + 1, (size_t)(end - second - 1)});
}

static void keep_first(lwsn_slice *field, unsigned *count, lwsn_slice value) {
  if ((*count)++ == 0) *field = value;
}

/* Fields of one name are one list (RFC 9110 §5.3): together they need an element, and one bad part spoils all. */
static void add_elements(int *total, int count) { *total = *total < 0 || count < 0 ? -1 : *total + count; }

static int take_expect(parse *s, lwsn_slice value) {
  if (!lwsn_http_equals(value, "100-continue"))
    return refuse(s, 417, "The only expectation supported is 100-continue.");
  s->out->expect_continue = s->out->minor == 1; /* to be ignored in 1.0 (RFC 9110 §10.1.1) */
  return 0;
}

static void take_connection(parse *s, lwsn_slice value) {
  s->close |= lwsn_http_has(value, "close");
  s->stay |= lwsn_http_has(value, "keep-alive");
  s->out->connection_upgrade |= lwsn_http_has(value, "upgrade");
}

/* Keeps the fields that somebody asks for; what has to be judged together is judged at the end. */
static int take_field(parse *s, lwsn_slice name, lwsn_slice value) {
  lwsn_http_head *out = s->out;
  out->header_count++;
  if (lwsn_http_equals(name, "host"))
    keep_first(&out->host, &s->host_count, value);
  else if (lwsn_http_equals(name, "origin"))
    keep_first(&out->origin, &s->origin_count, value);
  else if (lwsn_http_equals(name, "connection"))
    take_connection(s, value);
  else if (lwsn_http_equals(name, "upgrade"))
    out->upgrade_websocket |= lwsn_http_has(value, "websocket");
  else if (lwsn_http_equals(name, "content-length"))
    keep_first(&s->length, &s->length_count, value);
  else if (lwsn_http_equals(name, "transfer-encoding"))
    keep_first(&s->coding, &s->coding_count, value);
  else if (lwsn_http_equals(name, "expect"))
    return take_expect(s, value);
  else if (lwsn_http_equals(name, "sec-websocket-key"))
    keep_first(&out->ws_key, &out->ws_key_count, value);
  else if (lwsn_http_equals(name, "sec-websocket-version"))
    keep_first(&out->ws_version, &out->ws_version_count, value);
  else if (lwsn_http_equals(name, "sec-websocket-protocol")) {
    keep_first(&out->ws_protocol, &out->ws_protocol_count, value);
    add_elements(&out->protocols, lwsn_http_count_tokens(value));
  } else if (lwsn_http_equals(name, "sec-websocket-extensions")) {
    keep_first(&out->ws_extensions, &out->ws_extensions_count, value);
    add_elements(&out->extensions, lwsn_http_count_extensions(value));
  }
  return 0;
}

static int parse_field(parse *s, lwsn_slice line) {
  if (lwsn_is_blank(line.p[0])) return refuse(s, 400, "A header line is folded or begins with white space.");
  const char *end = line.p + line.n, *colon = memchr(line.p, ':', line.n);
  if (!colon) return refuse(s, 400, "A header line has no colon.");
  if (colon > line.p && lwsn_is_blank(colon[-1])) return refuse(s, 400, "White space stands before a header's colon.");
  lwsn_slice name = {line.p, (size_t)(colon - line.p)}, value = lwsn_http_trim(colon + 1, end);
  if (!lwsn_http_is_token(name.p, name.n)) return refuse(s, 400, "A header name is not a token.");
  if (!lwsn_http_is_value(value.p, value.n)) return refuse(s, 400, "A header value has a control character.");
  return take_field(s, name, value);
}

/* The target first: where it names a host, the field Host is checked, and then not believed (RFC 9112 §3.2.2). */
static int judge_host(parse *s) {
  lwsn_http_head *out = s->out;
  lwsn_slice authority = {NULL, 0};
  if (!s->connect && !lwsn_http_target_parse(out->method, out->target, &authority))
    return refuse(s, 400, "The request target is not a path, an http URI, or * for OPTIONS.");
  if (s->host_count > 1) return refuse(s, 400, "Host is given more than once.");
  if (s->host_count == 0 && out->minor == 1) return refuse(s, 400, "Host is missing.");
  if (out->host.n > 0 && !lwsn_http_is_host(out->host)) return refuse(s, 400, "Host is not \"host\" or \"host:port\".");
  if (authority.p) out->host = authority;
  return 0;
}

static int judge_length(parse *s) {
  if (s->length_count == 0) return 0;
  if (s->length_count > 1) return refuse(s, 400, "Content-Length is given more than once.");
  int64_t length = 0;
  for (size_t i = 0; i < s->length.n; i++) {
    if (!lwsn_is_digit(s->length.p[i])) return refuse(s, 400, "Content-Length is not a number.");
    if (__builtin_mul_overflow(length, 10, &length) || __builtin_add_overflow(length, s->length.p[i] - '0', &length))
      return refuse(s, 400, "Content-Length is too large.");
  }
  if (s->length.n == 0) return refuse(s, 400, "Content-Length is not a number.");
  s->out->content_length = length;
  return 0;
}

/* RFC 9112 §6.1, §6.3: without chunked as the last coding the length of a request could only be guessed. */
static int judge_coding(parse *s) {
  if (s->coding_count == 0) return 0;
  if (s->length_count > 0) return refuse(s, 400, "Transfer-Encoding and Content-Length exclude each other.");
  if (s->out->minor == 0) return refuse(s, 400, "HTTP/1.0 has no Transfer-Encoding.");
  if (s->coding_count > 1) return refuse(s, 400, "Transfer-Encoding is given more than once.");
  if (s->coding.n == 0) return refuse(s, 400, "Transfer-Encoding is empty.");
  lwsn_slice list = s->coding, element;
  unsigned count = 0, chunked = 0;
  bool last = false;
  while (lwsn_http_next(&list, &element)) {
    count++;
    last = lwsn_http_equals(element, "chunked");
    chunked += last;
  }
  if (chunked > 0 && (chunked > 1 || !last)) return refuse(s, 400, "Chunked is not the last transfer coding.");
  if (count > 1 || !last) return refuse(s, 501, "The only transfer coding supported is chunked.");
  s->out->chunked = true;
  return 0;
}

static int judge(parse *s) {
  int status = judge_host(s);
  if (!status) status = judge_length(s);
  if (!status) status = judge_coding(s);
  if (!status && s->origin_count > 1) status = refuse(s, 400, "Origin is given more than once.");
  s->out->keep_alive = !s->close && (s->out->minor == 1 || s->stay);
  return status;
}

static int parse_fields(parse *s, const char *p, const char *end) {
  lwsn_slice line;
  int later = 0;
  const char *later_why = NULL;
  for (;;) {
    if (!take_line(&p, end, &line)) return refuse(s, 400, "A header line has a bare CR or LF, or is the last one.");
    if (line.n == 0) break;
    int status = parse_field(s, line);
    if (status == 400) return status;
    if (status) later = status, later_why = s->why;
  }
  if (p != end) return refuse(s, 400, "Bytes follow the end of the head.");
  return later ? refuse(s, later, later_why) : 0;
}

/* Being malformed comes first, then another version, which may have other rules, then what the fields say together. */
static int parse_lines(parse *s, const char *p, const char *end) {
  lwsn_slice line;
  while (end - p >= 2 && p[0] == '\r' && p[1] == '\n') p += 2;
  if (!take_line(&p, end, &line)) return refuse(s, 400, "The request line has a bare CR or LF.");
  int version = parse_request_line(s, line);
  if (version == 400) return version;
  const char *version_why = s->why;
  int fields = parse_fields(s, p, end);
  if (fields == 400) return fields;
  if (version) return refuse(s, version, version_why);
  const char *fields_why = s->why;
  int status = judge(s);
  if (status) return status;
  if (fields) return refuse(s, fields, fields_why);
  return s->connect ? refuse(s, 501, "CONNECT is not supported: this is no proxy.") : 0;
}

int lwsn_http_head_parse(const char *p, size_t n, lwsn_http_head *out, const char **why) {
  *out = (lwsn_http_head){.content_length = -1};
  parse s = {.out = out};
  int status = n ? parse_lines(&s, p, p + n) : refuse(&s, 400, "The request is empty.");
  *why = s.why;
  return status;
}

/* ---- upgrade ---- */

/* 24 characters that decode to 16 bytes: the last 4 bits of the 22nd are padding, whatever they hold. */
static bool is_key(lwsn_slice key) {
  if (key.n != 24 || key.p[22] != '=' || key.p[23] != '=') return false;
  for (size_t i = 0; i < 22; i++)
    if (!lwsn_is_alnum(key.p[i]) && key.p[i] != '+' && key.p[i] != '/') return false;
  return true;
}

static int answer(const char **why, int status, const char *sentence) {
  *why = sentence;
  return status;
}

int lwsn_http_upgrade_check(const lwsn_http_head *h, const char **why) {
  if (!h->upgrade_websocket) return answer(why, 400, "Upgrade does not ask for \"websocket\".");
  if (!h->get_method) return answer(why, 405, "A WebSocket handshake is a GET request.");
  if (h->minor != 1) return answer(why, 400, "A WebSocket handshake needs HTTP/1.1.");
  if (!h->connection_upgrade) return answer(why, 400, "Connection does not ask for \"upgrade\".");
  if (h->chunked || h->content_length > 0) return answer(why, 400, "A WebSocket handshake has no body.");
  if (h->ws_version_count > 1) return answer(why, 400, "Sec-WebSocket-Version is given more than once.");
  if (!lwsn_http_equals(h->ws_version, "13")) return answer(why, 426, "Sec-WebSocket-Version is not 13.");
  if (h->ws_key_count == 0) return answer(why, 400, "Sec-WebSocket-Key is missing.");
  if (h->ws_key_count > 1) return answer(why, 400, "Sec-WebSocket-Key is given more than once.");
  if (!is_key(h->ws_key)) return answer(why, 400, "Sec-WebSocket-Key is not the base64 of 16 bytes.");
  if (h->ws_protocol_count > 0 && h->protocols < 1)
    return answer(why, 400, "Sec-WebSocket-Protocol is not a list of tokens.");
  if (h->ws_extensions_count > 0 && h->extensions < 1)
    return answer(why, 400, "Sec-WebSocket-Extensions is not a list of extensions.");
  return answer(why, 0, NULL);
}
