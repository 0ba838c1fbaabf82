/* Request bodies with a length and chunked (RFC 9112 §6, §7), however the bytes arrive. */
#include "wire/http_body.h"

#include "check.h"

#include <stdlib.h>

typedef struct {
  int status;
  size_t used;
  char content[20000];
  size_t content_n;
} outcome;

static void begin(lwsn_http_body *b, int64_t length) { lwsn_http_body_begin(b, length, length < 0); }

/* Feeds one piece to its end from a heap copy of exactly its size, checking what every call promises. */
static void feed_piece(lwsn_http_body *b, const char *p, size_t n, outcome *o) {
  char *copy = malloc(n ? n : 1);
  if (n) memcpy(copy, p, n);
  size_t at = 0;
  do {
    size_t used = 99999999;
    lwsn_slice data = {NULL, 99999999};
    o->status = lwsn_http_body_feed(b, copy + at, n - at, &used, &data);
    if (!CHECK(used <= n - at && data.n <= used)) break;
    if (data.n) {
      CHECK(data.p >= copy + at && data.p + data.n == copy + at + used);
      memcpy(o->content + o->content_n, data.p, data.n);
      o->content_n += data.n;
    }
    if (o->status != -1) CHECK_INT(lwsn_http_body_received(b), o->content_n);
    if (o->status == 0 && at < n) CHECK(used > 0);
    at += used;
  } while (o->status == 0 && at < n);
  o->used += at;
  free(copy);
}

/* The pieces end at `first`, then every `step` bytes. */
static outcome *run(int64_t length, const char *p, size_t n, size_t first, size_t step) {
  static outcome o;
  o = (outcome){.status = 0};
  lwsn_http_body b;
  begin(&b, length);
  size_t from = 0;
  for (size_t to = first;; to += step) {
    if (to > n) to = n;
    feed_piece(&b, p + from, to - from, &o);
    from = to;
    if (o.status || to == n) break;
  }
  if (o.status) { /* it stays so and takes nothing */
    size_t used = 5;
    lwsn_slice data;
    CHECK_INT(lwsn_http_body_feed(&b, "0\r\n\r\n", 5, &used, &data), o.status);
    CHECK(used == 0 && data.n == 0);
  }
  return &o;
}

#define CHUNKED (-1)
#define BYTES(literal) literal, sizeof(literal) - 1

typedef struct {
  const char *name;
  int64_t length;
  const char *text;
  size_t n;
  int status;
  size_t used; /* for -1: how many bytes until the wrong one, it included */
  const char *content;
} body_case;

static const body_case cases[] = {
    {"no body", 0, BYTES("GET"), 1, 0, ""},
    {"length 5", 5, BYTES("hello"), 1, 5, "hello"},
    {"length 5 and the next request", 5, BYTES("helloGET / HTTP"), 1, 5, "hello"},
    {"length 5, incomplete", 5, BYTES("hell"), 0, 4, "hell"},
    {"length 5, nothing", 5, BYTES(""), 0, 0, ""},
    {"huge length", INT64_MAX, BYTES("hello"), 0, 5, "hello"},
    {"content that looks like chunks", 5, BYTES("0\r\n\r\n"), 1, 5, "0\r\n\r\n"},

    {"empty", CHUNKED, BYTES("0\r\n\r\n"), 1, 5, ""},
    {"one chunk", CHUNKED, BYTES("5\r\nhello\r\n0\r\n\r\n"), 1, 15, "hello"},
    {"two chunks and the next request", CHUNKED, BYTES("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET"), 1, 27,
     "hello, world"},
    {"hexadecimal, both cases", CHUNKED, BYTES("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), 1, 36,
     "01234567890123456789a"},
    {"two digits", CHUNKED, BYTES("10\r\n0123456789abcdef\r\n0\r\n\r\n"), 1, 27, "0123456789abcdef"},
    {"CRLF in the content", CHUNKED, BYTES("4\r\n\r\n\r\n\r\n0\r\n\r\n"), 1, 14, "\r\n\r\n"},
    {"leading zeros", CHUNKED, BYTES("000000000000005\r\nhello\r\n000\r\n\r\n"), 1, 31, "hello"},
    {"extensions", CHUNKED, BYTES("5;a;b=c;d=\"e f\"\r\nhello\r\n0;x\r\n\r\n"), 1, 31, "hello"},
    {"white space before an extension", CHUNKED, BYTES("5 \t;a\r\nhello\r\n0\r\n\r\n"), 1, 19, "hello"},
    {"trailers", CHUNKED, BYTES("0\r\nA: b\r\nC:\r\n\r\nGET"), 1, 15, ""},
    {"size only", CHUNKED, BYTES("5"), 0, 1, ""},
    {"no content yet", CHUNKED, BYTES("5\r\n"), 0, 3, ""},
    {"part of the content", CHUNKED, BYTES("5\r\nhel"), 0, 6, "hel"},
    {"no last chunk", CHUNKED, BYTES("5\r\nhello\r\n"), 0, 10, "hello"},
    {"no end of the trailers", CHUNKED, BYTES("0\r\nA: b\r\n"), 0, 9, ""},
    {"no last LF", CHUNKED, BYTES("0\r\n\r"), 0, 4, ""},
    {"15 digits", CHUNKED, BYTES("fffffffffffffff\r\nx"), 0, 18, "x"},

    {"16 digits", CHUNKED, BYTES("ffffffffffffffff\r\nx"), -1, 16, ""},
    {"16 zeros", CHUNKED, BYTES("0000000000000000\r\n\r\n"), -1, 16, ""},
    {"no size", CHUNKED, BYTES("\r\nhello\r\n"), -1, 1, ""},
    {"no size before an extension", CHUNKED, BYTES(";a\r\n"), -1, 1, ""},
    {"negative size", CHUNKED, BYTES("-5\r\nhello"), -1, 1, ""},
    {"size with sign", CHUNKED, BYTES("+5\r\nhello"), -1, 1, ""},
    {"size with 0x", CHUNKED, BYTES("0x5\r\nhello"), -1, 2, ""},
    {"size with g", CHUNKED, BYTES("5g\r\nhello"), -1, 2, ""},
    {"size with underscore", CHUNKED, BYTES("1_0\r\nhello"), -1, 2, ""},
    {"SP before the size", CHUNKED, BYTES(" 5\r\nhello"), -1, 1, ""},
    {"SP behind the size", CHUNKED, BYTES("5 \r\nhello"), -1, 3, ""},
    {"SP inside the size", CHUNKED, BYTES("1 0\r\nhello"), -1, 3, ""},
    {"NUL behind the size", CHUNKED, BYTES("5\0\r\nhello"), -1, 2, ""},
    {"bare LF behind the size", CHUNKED, BYTES("5\nhello\r\n0\r\n\r\n"), -1, 2, ""},
    {"bare CR behind the size", CHUNKED, BYTES("5\rhello\r\n0\r\n\r\n"), -1, 3, ""},
    {"CR CR LF behind the size", CHUNKED, BYTES("5\r\r\nhello"), -1, 3, ""},
    {"bare LF in an extension", CHUNKED, BYTES("5;a\nhello\r\n"), -1, 4, ""},
    {"bare CR in an extension", CHUNKED, BYTES("5;a\rb\r\nhello"), -1, 5, ""},
    {"NUL in an extension", CHUNKED, BYTES("5;a\0\r\nhello"), -1, 4, ""},
    {"blanks in an extension", CHUNKED, BYTES("1 ;\ta\t=  b ; c = \"\" ;d\r\nx\r\n0\r\n\r\n"), 1, 32, "x"},
    {"quoted text in an extension", CHUNKED, BYTES("1;a=\"; \\\"\t\x80\"\r\nx\r\n0\r\n\r\n"), 1, 22, "x"},
    {"an extension without name", CHUNKED, BYTES("5;\r\n"), -1, 3, ""},
    {"an extension of a value", CHUNKED, BYTES("5;=b\r\n"), -1, 3, ""},
    {"an extension without value", CHUNKED, BYTES("5;a=\r\n"), -1, 5, ""},
    {"an extension of two names", CHUNKED, BYTES("5;a b\r\n"), -1, 5, ""},
    {"an extension of two values", CHUNKED, BYTES("5;a=b c\r\n"), -1, 7, ""},
    {"white space behind an extension", CHUNKED, BYTES("5;a \r\n"), -1, 5, ""},
    {"white space behind a value", CHUNKED, BYTES("5;a=b \r\n"), -1, 7, ""},
    {"text behind a quoted value", CHUNKED, BYTES("5;a=\"b\"c\r\n"), -1, 8, ""},
    {"a quoted value without end", CHUNKED, BYTES("5;a=\"b\r\n"), -1, 7, ""},
    {"a separator in an extension", CHUNKED, BYTES("5;a@b\r\n"), -1, 4, ""},
    {"content too long", CHUNKED, BYTES("5\r\nhellohello\r\n"), -1, 9, "hello"},
    {"content too short", CHUNKED, BYTES("5\r\nhel\r\n0\r\n\r\n"), -1, 9, "hel\r\n"},
    {"bare LF behind the content", CHUNKED, BYTES("5\r\nhello\n0\r\n\r\n"), -1, 9, "hello"},
    {"bare CR behind the content", CHUNKED, BYTES("5\r\nhello\r0\r\n\r\n"), -1, 10, "hello"},
    {"nothing behind the content", CHUNKED, BYTES("5\r\nhello0\r\n\r\n"), -1, 9, "hello"},
    {"empty line before a size", CHUNKED, BYTES("5\r\nhello\r\n\r\n0\r\n\r\n"), -1, 11, "hello"},
    {"bare LF at the end", CHUNKED, BYTES("0\r\n\n"), -1, 4, ""},
    {"bare CR at the end", CHUNKED, BYTES("0\r\n\rX"), -1, 5, ""},
    {"LF behind a trailer", CHUNKED, BYTES("0\r\nA: b\n\r\n"), -1, 8, ""},
    {"CR in a trailer", CHUNKED, BYTES("0\r\nA: b\rc\r\n\r\n"), -1, 9, ""},
    {"NUL in a trailer", CHUNKED, BYTES("0\r\nA: \0\r\n\r\n"), -1, 7, ""},
    {"trailer without colon", CHUNKED, BYTES("0\r\nA\r\n\r\n"), -1, 5, ""},
    {"trailer without name", CHUNKED, BYTES("0\r\n: b\r\n\r\n"), -1, 4, ""},
    {"SP before a trailer's colon", CHUNKED, BYTES("0\r\nA : b\r\n\r\n"), -1, 5, ""},
    {"folded trailer", CHUNKED, BYTES("0\r\nA: b\r\n c\r\n\r\n"), -1, 10, ""},
    {"a request where trailers are", CHUNKED, BYTES("0\r\nGET / HTTP/1.1\r\n\r\n"), -1, 7, ""},
};

static void check_outcome(const body_case *c, const outcome *o, const char *how, size_t cut) {
  CHECK_MSG(o->status == c->status, "%s, %s %zu: %d, expected %d", c->name, how, cut, o->status, c->status);
  CHECK_MSG(o->used == c->used, "%s, %s %zu: took %zu, expected %zu", c->name, how, cut, o->used, c->used);
  size_t n = strlen(c->content);
  CHECK_MSG(o->content_n == n && memcmp(o->content, c->content, n) == 0, "%s, %s %zu: \"%.*s\"", c->name, how, cut,
            (int)o->content_n, o->content);
}

static void gives_the_content_however_the_bytes_arrive(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const body_case *c = &cases[k];
    for (size_t cut = 0; cut <= c->n; cut++) {
      check_outcome(c, run(c->length, c->text, c->n, cut, c->n + 1), "cut at", cut);
      check_outcome(c, run(c->length, c->text, c->n, cut, 1), "single bytes from", cut);
    }
  }
}

static void content_is_not_copied(void) {
  static const char text[] = "3\r\nabc\r\n0\r\n\r\n";
  lwsn_http_body b;
  lwsn_slice data;
  size_t used;
  lwsn_http_body_begin(&b, -1, true);
  CHECK_INT(lwsn_http_body_feed(&b, text, sizeof text - 1, &used, &data), 0);
  CHECK(data.p == text + 3 && data.n == 3 && used == 6);
}

static void the_last_piece_comes_with_the_end_of_a_body_with_length(void) {
  lwsn_http_body b;
  lwsn_slice data;
  size_t used;
  lwsn_http_body_begin(&b, 3, false);
  CHECK_INT(lwsn_http_body_feed(&b, "abcd", 4, &used, &data), 1);
  CHECK_INT(used, 3);
  CHECK_BYTES(data.p, data.n, "abc");
  CHECK_INT(lwsn_http_body_received(&b), 3);
}

static void begins_as_the_head_says(void) {
  static const struct {
    int64_t length;
    bool chunked;
    int status;
  } bodies[] = {{-1, false, 1}, {0, false, 1}, {1, false, 0}, {-1, true, 0}, {0, true, 0}, {7, true, 0}};
  for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++) {
    lwsn_http_body b;
    lwsn_slice data;
    size_t used;
    memset(&b, 0xaa, sizeof b);
    lwsn_http_body_begin(&b, bodies[k].length, bodies[k].chunked);
    CHECK_INT(lwsn_http_body_received(&b), 0);
    CHECK_INT(lwsn_http_body_feed(&b, NULL, 0, &used, &data), bodies[k].status);
    CHECK(used == 0 && data.n == 0);
  }
}

/* prefix, `n` times `fill`, suffix */
static int status_with(const char *prefix, const char *fill, size_t n, const char *suffix) {
  size_t unit = strlen(fill), length = strlen(prefix);
  char *text = malloc(length + n * unit + strlen(suffix) + 1);
  memcpy(text, prefix, length);
  for (size_t i = 0; i < n; i++, length += unit) memcpy(text + length, fill, unit);
  memcpy(text + length, suffix, strlen(suffix));
  length += strlen(suffix);
  int whole = run(CHUNKED, text, length, length, 1)->status, single = run(CHUNKED, text, length, 1, 1)->status;
  CHECK_INT(whole, single);
  free(text);
  return whole;
}

static void extensions_are_bounded_over_the_body(void) {
  enum { MOST = LWSN_HTTP_CHUNK_EXTENSIONS };
  CHECK_INT(status_with("0;", "a", MOST - 1, "\r\n\r\n"), 1);
  CHECK_INT(status_with("0;", "a", MOST, "\r\n\r\n"), -1);
  CHECK_INT(status_with("0", " ", MOST - 2, ";a\r\n\r\n"), 1);
  CHECK_INT(status_with("0", " ", MOST - 1, ";a\r\n\r\n"), -1);
  CHECK_INT(status_with("", "1;234567\r\nx\r\n", MOST / 7, "0\r\n\r\n"), 1);
  CHECK_INT(status_with("", "1;234567\r\nx\r\n", MOST / 7 + 1, "0\r\n\r\n"), -1);
}

static void trailers_are_bounded_together(void) {
  /* "A: " and CR LF are 5 bytes, "A:b" and CR LF as well. */
  CHECK_INT(status_with("0\r\nA: ", "a", LWSN_HTTP_TRAILERS - 5, "\r\n\r\n"), 1);
  CHECK_INT(status_with("0\r\nA: ", "a", LWSN_HTTP_TRAILERS - 4, "\r\n\r\n"), -1);
  CHECK_INT(status_with("0\r\n", "A:b\r\n", LWSN_HTTP_TRAILERS / 5, "\r\n"), 1);
  CHECK_INT(status_with("0\r\n", "A:b\r\n", LWSN_HTTP_TRAILERS / 5 + 1, "\r\n"), -1);
}

static void a_changed_byte_never_crashes_it(void) {
  static const char whole[] = "5;a=b\r\nhello\r\n1 ;x\r\n!\r\n0\r\nA: b\r\n\r\nGET";
  for (size_t at = 0; at < sizeof whole - 1; at++)
    for (unsigned c = 0; c < 256; c++) {
      char text[sizeof whole];
      memcpy(text, whole, sizeof whole);
      text[at] = (char)c;
      outcome once = *run(CHUNKED, text, sizeof text - 1, sizeof text, 1);
      outcome *single = run(CHUNKED, text, sizeof text - 1, 1, 1);
      CHECK_MSG(once.status == single->status && once.used == single->used, "byte %02x at %zu", c, at);
      CHECK_MSG(once.content_n == single->content_n, "byte %02x at %zu: content", c, at);
    }
}

int main(void) {
  gives_the_content_however_the_bytes_arrive();
  content_is_not_copied();
  the_last_piece_comes_with_the_end_of_a_body_with_length();
  begins_as_the_head_says();
  extensions_are_bounded_over_the_body();
  trailers_are_bounded_together();
  a_changed_byte_never_crashes_it();
  return check_report();
}
