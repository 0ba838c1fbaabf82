/* Request heads: found in pieces as at once, and whatever is accepted keeps the promises of http_head.h. */
#include "wire/http_head.h"
#include "wire/http_scan.h"
#include "wire/http_target.h"

#include "target.h"

static size_t end_in_pieces(const char *p, size_t n, size_t step) {
  size_t resume = 0;
  for (size_t have = 0; have < n;) {
    have = n - have < step ? n : have + step;
    size_t end = lwsn_http_head_end(p, have, &resume);
    EXPECT(end <= have);
    if (end > 0) return end;
  }
  return 0;
}

/* Judged alike in pieces and at once: true while it may be a request. */
static bool scan_in_pieces(const char *p, size_t n, size_t step) {
  lwsn_http_scan pieces = {0}, whole = {0};
  bool good = true;
  for (size_t have = 0; have < n && good;) {
    have = n - have < step ? n : have + step;
    good = lwsn_http_scan_more(&pieces, p, have);
  }
  EXPECT(lwsn_http_scan_more(&whole, p, n) == good);
  return good;
}

static void check_slice(lwsn_slice s, const char *head, size_t size) {
  if (!s.p) {
    EXPECT(s.n == 0);
    return;
  }
  EXPECT(s.p >= head && s.p <= head + size && s.n <= (size_t)(head + size - s.p));
  EXPECT(lwsn_http_is_value(s.p, s.n));
  EXPECT(s.n == 0 || (s.p[0] != ' ' && s.p[0] != '\t' && s.p[s.n - 1] != ' ' && s.p[s.n - 1] != '\t'));
}

static void check_upgrade(const lwsn_http_head *h) {
  const char *why = NULL;
  int status = lwsn_http_upgrade_check(h, &why);
  EXPECT(status == 0 || status == 400 || status == 405 || status == 426);
  EXPECT(status == 0 || (why && strlen(why) > 10));
  if (status != 0) return;
  EXPECT(h->minor == 1 && h->get_method && h->connection_upgrade);
  EXPECT(!h->chunked && h->content_length <= 0);
  EXPECT(h->ws_key_count == 1 && h->ws_key.n == 24);
  EXPECT(h->ws_version_count == 1 && h->ws_version.n == 2 && memcmp(h->ws_version.p, "13", 2) == 0);
}

static void check_head(const lwsn_http_head *h, const char *p, size_t n) {
  const lwsn_slice fields[] = {h->host, h->origin, h->ws_key, h->ws_version, h->ws_protocol, h->ws_extensions};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) check_slice(fields[i], p, n);
  check_slice(h->method, p, n);
  check_slice(h->target, p, n);
  EXPECT(lwsn_http_is_token(h->method.p, h->method.n));
  EXPECT(h->target.n > 0);
  EXPECT(h->minor == 0 || h->minor == 1);
  EXPECT(h->head_method == (h->method.n == 4 && memcmp(h->method.p, "HEAD", 4) == 0));
  EXPECT(h->get_method == (h->method.n == 3 && memcmp(h->method.p, "GET", 3) == 0));
  EXPECT(h->host.p || h->minor == 0);
  EXPECT(h->host.n == 0 || lwsn_http_is_host(h->host));
  EXPECT(h->method.n != 7 || memcmp(h->method.p, "CONNECT", 7) != 0);
  EXPECT(h->content_length >= -1);
  EXPECT(!h->chunked || (h->content_length == -1 && h->minor == 1));
  EXPECT(h->ws_key_count + h->ws_version_count + h->ws_protocol_count + h->ws_extensions_count <= h->header_count);
  if (h->upgrade_websocket) check_upgrade(h);
}

void fuzz_http_head(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  size_t step = 1u + fuzz_byte(&in) % 32, resume = 0;
  char *p = (char *)fuzz_copy(in.data, in.size);
  size_t end = lwsn_http_head_end(p, in.size, &resume);
  EXPECT(end <= in.size);
  EXPECT(end_in_pieces(p, in.size, step) == end);
  bool possible = scan_in_pieces(p, end > 0 ? end : in.size, step);
  free(p);
  if (end == 0) return;
  char *head = (char *)fuzz_copy(in.data, end);
  lwsn_http_head parsed;
  const char *why = NULL;
  int status = lwsn_http_head_parse(head, end, &parsed, &why);
  EXPECT(status == 0 || status == 400 || status == 417 || status == 501 || status == 505);
  EXPECT(status == 0 || (why && strlen(why) > 10));
  EXPECT(possible || status == 400);
  if (status == 0) check_head(&parsed, head, end);
  free(head);
}
