#include "reference.h"

/* Bytes of a sequence by its first; 0: none begins with it. */
static unsigned length_of(uint8_t first) {
  if (first < 0x80) return 1;
  if ((first & 0xe0) == 0xc0) return 2;
  if ((first & 0xf0) == 0xe0) return 3;
  return (first & 0xf8) == 0xf0 ? 4 : 0;
}

/* Whether a code point from `low` to `high` is written in `length` bytes and is no surrogate (RFC 3629 3). */
static bool any_allowed(uint32_t low, uint32_t high, unsigned length) {
  static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000}, last[] = {0, 0x7f, 0x7ff, 0xffff, 0x10ffff};
  if (low < first[length]) low = first[length];
  if (high > last[length]) high = last[length];
  return low <= high && !(low >= 0xd800 && high <= 0xdfff);
}

reference_text reference_utf8(const uint8_t *p, size_t n) {
  while (n > 0) {
    unsigned length = length_of(p[0]);
    if (length == 0) return REFERENCE_WRONG;
    unsigned have = n < length ? (unsigned)n : length;
    uint32_t point = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (unsigned i = 1; i < have; i++) {
      if ((p[i] & 0xc0) != 0x80)
        have = i;
      else
        point = point << 6 | (p[i] & 0x3f);
    }
    unsigned missing = 6 * (length - have);
    if (!any_allowed(point << missing, point << missing | ((1u << missing) - 1), length)) return REFERENCE_WRONG;
    if (have < length) return have == n ? REFERENCE_OPEN : REFERENCE_WRONG;
    p += length;
    n -= length;
  }
  return REFERENCE_WHOLE;
}
