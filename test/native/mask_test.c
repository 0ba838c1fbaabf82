/* lwsn_unmask against the formula of RFC 6455 §5.3. */
#include "wire/mask.h"

#include "check.h"

#include <stdlib.h>

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

static uint8_t byte_at(size_t i) { return (uint8_t)(i * 131 + (i >> 8) * 17 + 5); }

/* A block of its own for each buffer, exactly as large as needed: a sanitizer sees one byte too many. */
static uint8_t *filled(size_t offset, size_t n) {
  uint8_t *block = malloc(offset + n + 1);
  for (size_t i = 0; i < offset + n; i++) block[i] = byte_at(i);
  block[offset + n] = 0xee;
  return block;
}

static bool is_unmasked(const uint8_t *out, const uint8_t *in, size_t n, unsigned phase) {
  for (size_t i = 0; i < n; i++)
    if (out[i] != (uint8_t)(in[i] ^ key[(phase + i) & 3])) return false;
  return true;
}

static void one_case(size_t n, unsigned phase, size_t to, size_t from) {
  uint8_t *src = filled(from, n), *dst = filled(to, n), *before = filled(from, n);
  lwsn_unmask(dst + to, src + from, n, key, phase);
  CHECK_MSG(is_unmasked(dst + to, before + from, n, phase), "n %zu phase %u dst+%zu src+%zu", n, phase, to, from);
  CHECK_MSG(memcmp(src, before, from + n + 1) == 0, "src was written: n %zu phase %u", n, phase);
  bool outside = dst[to + n] == 0xee;
  for (size_t i = 0; i < to; i++) outside = outside && dst[i] == byte_at(i);
  CHECK_MSG(outside, "wrote outside: n %zu phase %u dst+%zu", n, phase, to);

  lwsn_unmask(src + from, src + from, n, key, phase);
  CHECK_MSG(is_unmasked(src + from, before + from, n, phase), "in place: n %zu phase %u at +%zu", n, phase, from);
  CHECK_MSG(src[from + n] == 0xee, "in place wrote behind: n %zu", n);
  free(src);
  free(dst);
  free(before);
}

static void unmasks_every_short_length_at_every_alignment(void) {
  for (size_t n = 0; n <= 300; n++)
    for (unsigned phase = 0; phase < 4; phase++)
      for (size_t at = 0; at < 32; at++) one_case(n, phase, at, (at * 7 + n) & 31);
}

static void unmasks_large_lengths(void) {
  static const size_t lengths[] = {1000, 4095, 4096, 4097, 16384, 65535, 65536, 1 << 20, (1 << 20) + 13};
  for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
    for (unsigned phase = 0; phase < 4; phase++) one_case(lengths[k], phase, phase, 3 - phase);
}

static void pieces_give_the_same_as_the_whole(void) {
  enum { N = 150 };
  for (size_t cut = 0; cut <= N; cut++) {
    uint8_t *src = filled(0, N), *before = filled(0, N);
    lwsn_unmask(src, src, cut, key, 0);
    lwsn_unmask(src + cut, src + cut, N - cut, key, (unsigned)cut);
    CHECK_MSG(is_unmasked(src, before, N, 0), "cut at %zu", cut);
    free(src);
    free(before);
  }
}

static void only_the_low_bits_of_the_phase_count(void) {
  uint8_t a[40], b[40];
  for (size_t i = 0; i < sizeof a; i++) a[i] = b[i] = byte_at(i);
  lwsn_unmask(a, a, sizeof a, key, 2);
  lwsn_unmask(b, b, sizeof b, key, 0xfffffffeu);
  CHECK(memcmp(a, b, sizeof a) == 0);
}

static void nothing_to_do_needs_no_pointers(void) {
  lwsn_unmask(NULL, NULL, 0, key, 3);
  CHECK(true);
}

static void unmasks_the_example_of_the_standard(void) {
  /* RFC 6455 §5.7: a single-frame masked text message, "Hello". */
  uint8_t text[5] = {0x7f, 0x9f, 0x4d, 0x51, 0x58};
  lwsn_unmask(text, text, sizeof text, key, 0);
  CHECK_BYTES(text, sizeof text, "Hello");
}

int main(void) {
  unmasks_every_short_length_at_every_alignment();
  unmasks_large_lengths();
  pieces_give_the_same_as_the_whole();
  only_the_low_bits_of_the_phase_count();
  nothing_to_do_needs_no_pointers();
  unmasks_the_example_of_the_standard();
  return check_report();
}
