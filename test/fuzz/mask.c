/* Masking at any alignment and phase, in place and not, against one byte at a time. */
#include "wire/mask.h"

#include "target.h"

enum { MARGIN = 64, GUARD = 0xa5 };

static void check(const uint8_t *at, const uint8_t *plain, size_t n, const uint8_t key[4], unsigned phase) {
  for (size_t i = 0; i < n; i++) EXPECT(at[i] == (plain[i] ^ key[(phase + i) & 3]));
}

void fuzz_mask(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  fuzz_input key = fuzz_take(&in, 4);
  if (key.size < 4) return;
  unsigned phase = fuzz_byte(&in);
  size_t offset = fuzz_byte(&in) % MARGIN, n = in.size;
  uint8_t *to = malloc(offset + n + MARGIN);
  if (!to) abort();
  memset(to, GUARD, offset + n + MARGIN);
  lwsn_unmask(to + offset, in.data, n, key.data, phase);
  check(to + offset, in.data, n, key.data, phase);
  for (size_t i = 0; i < offset; i++) EXPECT(to[i] == GUARD);
  for (size_t i = offset + n; i < offset + n + MARGIN; i++) EXPECT(to[i] == GUARD);
  if (n > 0) memcpy(to + offset, in.data, n);
  /* in place and in two pieces */
  size_t first = n > 0 ? in.data[0] % (n + 1) : 0;
  lwsn_unmask(to + offset, to + offset, first, key.data, phase);
  lwsn_unmask(to + offset + first, to + offset + first, n - first, key.data, phase + (unsigned)first);
  check(to + offset, in.data, n, key.data, phase);
  free(to);
}
