#include "base/hash.h"

#include <string.h>

static inline uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void mix(uint64_t v[4]) {
  v[0] += v[1];
  v[1] = rotate(v[1], 13) ^ v[0];
  v[0] = rotate(v[0], 32);
  v[2] += v[3];
  v[3] = rotate(v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = rotate(v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = rotate(v[1], 17) ^ v[2];
  v[2] = rotate(v[2], 32);
}

static inline void take(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  mix(v);
  v[0] ^= word;
}

uint64_t lwsn_hash(const uint64_t key[2], const uint8_t *data, size_t size) {
  uint64_t v[4] = {
      key[0] ^ 0x736f6d6570736575u,
      key[1] ^ 0x646f72616e646f6du,
      key[0] ^ 0x6c7967656e657261u,
      key[1] ^ 0x7465646279746573u,
  };
  uint64_t word;
  size_t at = 0;
  for (; at + sizeof word <= size; at += sizeof word) {
    memcpy(&word, data + at, sizeof word);
    take(v, word);
  }
  word = 0;
  if (size > at) memcpy(&word, data + at, size - at);
  take(v, word | (uint64_t)size << 56);
  v[2] ^= 0xff;
  for (int i = 0; i < 3; i++) mix(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
