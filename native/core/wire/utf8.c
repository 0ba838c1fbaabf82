#include "wire/utf8.h"

typedef uint64_t u64 __attribute__((aligned(1), may_alias));

static const uint64_t HIGH_BITS = 0x8080808080808080u;

void lwsn_utf8_reset(lwsn_utf8 *v) { *v = (lwsn_utf8){.need = 0, .low = 0x80, .high = 0xbf, .ascii = true}; }

static bool fail(lwsn_utf8 *v) {
  *v = (lwsn_utf8){.need = 1, .low = 1, .high = 0, .ascii = false};
  return false;
}

/* The first byte of a sequence decides its length and narrows the second byte (RFC 3629 §4). */
static inline bool open_sequence(lwsn_utf8 *v, uint8_t c) {
  v->low = 0x80;
  v->high = 0xbf;
  if (c < 0xc2) return false; /* a continuation byte, or overlong */
  if (c < 0xe0) {
    v->need = 1;
  } else if (c < 0xf0) {
    v->need = 2;
    if (c == 0xe0) v->low = 0xa0;  /* below: overlong */
    if (c == 0xed) v->high = 0x9f; /* above: surrogates */
  } else if (c < 0xf5) {
    v->need = 3;
    if (c == 0xf0) v->low = 0x90;  /* below: overlong */
    if (c == 0xf4) v->high = 0x8f; /* above: beyond U+10FFFF */
  } else {
    return false;
  }
  return true;
}

static inline bool continue_sequence(lwsn_utf8 *v, uint8_t c) {
  if (c < v->low || c > v->high) return false;
  v->need--;
  v->low = 0x80;
  v->high = 0xbf;
  return true;
}

/* How far p is ASCII for certain: stops at the first other byte, or up to 7 bytes before the end. */
static inline const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end) {
  while (end - p >= 32) {
    const u64 *w = (const u64 *)p;
    if ((w[0] | w[1] | w[2] | w[3]) & HIGH_BITS) break;
    p += 32;
  }
  while (end - p >= 8) {
    uint64_t high = *(const u64 *)p & HIGH_BITS;
    if (high) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
      return p + __builtin_ctzll(high) / 8;
#else
      return p + __builtin_clzll(high) / 8;
#endif
    }
    p += 8;
  }
  return p;
}

static inline bool continues(uint8_t c) { return (c & 0xc0) == 0x80; }

/* Length of the valid non-ASCII sequence at p (at least 4 readable bytes), 0 if there is none. */
static inline size_t sequence(const uint8_t *p) {
  uint32_t c = p[0], d = p[1];
  if (c < 0xe0) return c >= 0xc2 && continues((uint8_t)d) ? 2 : 0;
  uint32_t code = c << 8 | d;
  if (c < 0xf0) {
    if (!continues((uint8_t)d) || !continues(p[2])) return 0;
    return code >= 0xe0a0 && (code & 0xffe0) != 0xeda0 ? 3 : 0;
  }
  if (!continues((uint8_t)d) || !continues(p[2]) || !continues(p[3])) return 0;
  return code >= 0xf090 && code <= 0xf48f ? 4 : 0;
}

/* Whole sequences while 4 bytes can be read; NULL when one is invalid. */
static const uint8_t *whole_sequences(const uint8_t *p, const uint8_t *end, bool *ascii) {
  while (end - p >= 4) {
    if (*p < 0x80) {
      const uint8_t *stop = skip_ascii(p, end);
      if (stop == p) break; /* fewer than 8 bytes are left */
      p = stop;
      continue;
    }
    *ascii = false;
    size_t length = sequence(p);
    if (length == 0) return NULL;
    p += length;
  }
  return p;
}

bool lwsn_utf8_feed(lwsn_utf8 *v, const uint8_t *p, size_t n) {
  if (n == 0) return v->low <= v->high;
  const uint8_t *end = p + n;
  for (; v->need && p < end; p++)
    if (!continue_sequence(v, *p)) return fail(v);
  p = whole_sequences(p, end, &v->ascii);
  if (!p) return fail(v);
  for (; p < end; p++) {
    if (v->need) {
      if (!continue_sequence(v, *p)) return fail(v);
    } else if (*p >= 0x80) {
      v->ascii = false;
      if (!open_sequence(v, *p)) return fail(v);
    }
  }
  return true;
}

bool lwsn_utf8_complete(const lwsn_utf8 *v) { return v->need == 0; }

bool lwsn_utf8_whole(lwsn_utf8 *v, const uint8_t *p, size_t n) {
  lwsn_utf8_reset(v);
  return lwsn_utf8_feed(v, p, n) && lwsn_utf8_complete(v);
}
