/* The PROXY header: each prefix is judged as the whole is, so that its pieces never change what it says. */
#include "wire/proxy_header.h"

#include "target.h"

enum { PREFIXES = 600 };

static int parse(const uint8_t *data, size_t size, lwsn_proxy_source *source) {
  uint8_t *copy = fuzz_copy(data, size);
  memset(source, 0, sizeof *source);
  int result = lwsn_proxy_header_parse(copy, size, source);
  free(copy);
  return result;
}

static void check_source(const lwsn_proxy_source *s) {
  EXPECT(s->known <= 1);
  EXPECT(!s->known || s->family == 0 || s->family == 4 || s->family == 6);
}

void fuzz_proxy_header(const uint8_t *data, size_t size) {
  lwsn_proxy_source whole, part;
  int result = parse(data, size, &whole);
  EXPECT(result >= LWSN_PROXY_MALFORMED && result <= LWSN_PROXY_MAX && (result <= 0 || (size_t)result <= size));
  EXPECT(result != LWSN_PROXY_MORE || size < LWSN_PROXY_MAX);
  if (result > 0) check_source(&whole);
  bool malformed = false;
  for (size_t n = 0; n < size && n < PREFIXES; n++) {
    int prefix = parse(data, n, &part);
    EXPECT(!malformed || prefix == LWSN_PROXY_MALFORMED);
    malformed = prefix == LWSN_PROXY_MALFORMED;
    if (result > 0 && n >= (size_t)result)
      EXPECT(prefix == result && memcmp(&part, &whole, sizeof whole) == 0);
    else
      EXPECT(prefix == LWSN_PROXY_MORE || (prefix == LWSN_PROXY_MALFORMED && result == LWSN_PROXY_MALFORMED));
  }
}
