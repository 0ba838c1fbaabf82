#include "wire/mask.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#define LWSN_X86 1
#endif

/*
 * Unaligned vectors; the compiler makes SSE2, NEON or plain words of the 16-byte ones.
 *
 * All pieces are multiples of 4 but the last, which is loaded from the end of src and overlaps what was
 * done before it. In place that overlap would be unmasked twice, so the last piece is always loaded before
 * anything is stored. It begins at n - (a multiple of 4): its key is the one of phase + n.
 */
typedef uint32_t v16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));

/* The key as it lies in memory, beginning with key[phase & 3]. */
static inline uint32_t turned(uint32_t key, unsigned phase) {
  unsigned bits = (phase & 3) * 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return key << bits | key >> (-bits & 31);
#else
  return key >> bits | key << (-bits & 31);
#endif
}

static inline uint64_t doubled(uint32_t key) { return (uint64_t)key << 32 | key; }

static inline void unmask_below_16(uint8_t *dst, const uint8_t *src, size_t n, uint32_t first, uint32_t last) {
  if (n >= 8) {
    uint64_t a = *(const u64 *)src ^ doubled(first), b = *(const u64 *)(src + n - 8) ^ doubled(last);
    *(u64 *)dst = a;
    *(u64 *)(dst + n - 8) = b;
  } else if (n >= 4) {
    uint32_t a = *(const u32 *)src ^ first, b = *(const u32 *)(src + n - 4) ^ last;
    *(u32 *)dst = a;
    *(u32 *)(dst + n - 4) = b;
  } else if (n > 0) {
    /* 1 to 3 bytes: first, middle and last cover them all. */
    uint8_t key[4];
    memcpy(key, &first, 4);
    size_t m = n / 2;
    uint8_t a = src[0] ^ key[0], b = src[m] ^ key[m], c = src[n - 1] ^ key[n - 1];
    dst[0] = a;
    dst[m] = b;
    dst[n - 1] = c;
  }
}

/* n >= 16 */
static void unmask_16(uint8_t *dst, const uint8_t *src, size_t n, uint32_t first, uint32_t last) {
  const v16 key = {first, first, first, first}, last_key = {last, last, last, last};
  const v16 tail = *(const v16 *)(src + n - 16) ^ last_key;
  size_t i = 0;
  for (; n - i >= 64; i += 64) {
    v16 a = *(const v16 *)(src + i), b = *(const v16 *)(src + i + 16);
    v16 c = *(const v16 *)(src + i + 32), d = *(const v16 *)(src + i + 48);
    *(v16 *)(dst + i) = a ^ key;
    *(v16 *)(dst + i + 16) = b ^ key;
    *(v16 *)(dst + i + 32) = c ^ key;
    *(v16 *)(dst + i + 48) = d ^ key;
  }
  for (; n - i > 16; i += 16) *(v16 *)(dst + i) = *(const v16 *)(src + i) ^ key;
  *(v16 *)(dst + n - 16) = tail;
}

#ifdef LWSN_X86
typedef uint32_t v32 __attribute__((vector_size(32), aligned(1), may_alias));

/* n >= 32 */
__attribute__((target("avx2"), noinline)) static void unmask_32(uint8_t *dst, const uint8_t *src, size_t n,
                                                                uint32_t first, uint32_t last) {
  const v32 key = {first, first, first, first, first, first, first, first};
  const v32 last_key = {last, last, last, last, last, last, last, last};
  const v32 tail = *(const v32 *)(src + n - 32) ^ last_key;
  size_t i = 0;
  for (; n - i >= 128; i += 128) {
    v32 a = *(const v32 *)(src + i), b = *(const v32 *)(src + i + 32);
    v32 c = *(const v32 *)(src + i + 64), d = *(const v32 *)(src + i + 96);
    *(v32 *)(dst + i) = a ^ key;
    *(v32 *)(dst + i + 32) = b ^ key;
    *(v32 *)(dst + i + 64) = c ^ key;
    *(v32 *)(dst + i + 96) = d ^ key;
  }
  for (; n - i > 32; i += 32) *(v32 *)(dst + i) = *(const v32 *)(src + i) ^ key;
  *(v32 *)(dst + n - 32) = tail;
}

/* A load and a test: libgcc asked the processor (and the kernel, for the wide registers) at load time. */
static inline bool has_avx2(void) { return __builtin_cpu_supports("avx2") != 0; }
#endif

void lwsn_unmask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4], unsigned phase) {
  const uint32_t word = *(const u32 *)key;
  const uint32_t first = turned(word, phase), last = turned(word, phase + (unsigned)(n & 3));
  if (n < 16) {
    unmask_below_16(dst, src, n, first, last);
    return;
  }
#ifdef LWSN_X86
  if (n > 64 && has_avx2()) {
    unmask_32(dst, src, n, first, last);
    return;
  }
#endif
  unmask_16(dst, src, n, first, last);
}
