/* Request bodies: the same content, end and verdict in pieces as at once. */
#include "wire/http_body.h"

#include "target.h"

typedef struct outcome {
  int state;
  size_t used, content;
  uint8_t *bytes;
} outcome;

static outcome feed(fuzz_input in, int64_t length, bool chunked, size_t step) {
  lwsn_http_body b;
  lwsn_http_body_begin(&b, length, chunked);
  outcome o = {0, 0, 0, malloc(in.size + 1)};
  while (o.state == 0 && o.used < in.size) {
    size_t n = in.size - o.used < step ? in.size - o.used : step, used = 0;
    char *piece = (char *)fuzz_copy(in.data + o.used, n);
    lwsn_slice data = {NULL, 0};
    o.state = lwsn_http_body_feed(&b, piece, n, &used, &data);
    EXPECT(o.state >= -1 && o.state <= 1);
    EXPECT(used <= n && (used > 0 || o.state != 0));
    EXPECT(data.n == 0 || (data.p >= piece && data.n <= (size_t)(piece + used - data.p)));
    if (data.n > 0) memcpy(o.bytes + o.content, data.p, data.n);
    o.content += data.n;
    o.used += used;
    free(piece);
  }
  EXPECT(lwsn_http_body_received(&b) == o.content);
  if (o.state != 0) {
    lwsn_slice data = {NULL, 0};
    size_t used = 0;
    EXPECT(lwsn_http_body_feed(&b, "x", 1, &used, &data) == o.state && used == 0 && data.n == 0);
  }
  return o;
}

void fuzz_http_body(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint8_t settings = fuzz_byte(&in);
  bool chunked = (settings & 1) != 0;
  size_t step = 1u + (settings >> 1) % 32;
  int64_t length = chunked ? -1 : fuzz_byte(&in) << 8 | fuzz_byte(&in);
  outcome whole = feed(in, length, chunked, in.size + 1), pieces = feed(in, length, chunked, step);
  EXPECT(whole.state == pieces.state);
  EXPECT(whole.content == pieces.content && memcmp(whole.bytes, pieces.bytes, whole.content) == 0);
  EXPECT(whole.state != 1 || whole.used == pieces.used);
  EXPECT(chunked || whole.state != 1 || (int64_t)whole.content == length);
  free(whole.bytes);
  free(pieces.bytes);
}
