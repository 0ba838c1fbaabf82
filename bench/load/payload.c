#include "payload.h"

#include <stdlib.h>
#include <string.h>

#define STARTS (1u << 20)

uint64_t payload_mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

/* Windows start on multiples of 4, so a character of a UTF-8 table is never cut: each unit is two letters of one
 * byte and one of two. */
static const char words[][5] = {"the ", "new ", "user", "\": \"", "\", \"", " and", "ing ",   "room",
                                "name", "true", "time", ": 17",   "00, ",   "mess", "age ",   "from",
                                " to ", "with", "is a", "on t",   "none",   "1234", "he s",   "ent ",
                                "data", "type", "erve", "r id",   "ses ",   "sion", "\n  \"", "null"};

static void fill_unit(uint8_t unit[4], enum payload_kind kind, uint64_t bits) {
  if (kind == PAYLOAD_BINARY) {
    memcpy(unit, &bits, 4);
    return;
  }
  if (kind == PAYLOAD_WORDS) {
    memcpy(unit, words[bits % (sizeof words / sizeof *words)], 4);
    return;
  }
  for (int i = 0; i < 4; i++) unit[i] = (uint8_t)(' ' + (bits >> 8 * i & 0xff) % 95);
  if (kind == PAYLOAD_UTF8) {
    unit[1] = (uint8_t)(0xc3 + (bits >> 40 & 1));
    unit[2] = (uint8_t)(0x80 + (bits >> 32 & 0x3f));
  }
}

bool payload_init(struct payload *payload, enum payload_kind kind, size_t size) {
  size_t total = (STARTS + size + 3) & ~(size_t)3;
  payload->size = size;
  payload->table = malloc(total);
  if (!payload->table) return false;
  for (size_t i = 0; i < total; i += 4) fill_unit(payload->table + i, kind, payload_mix(i + 1));
  return true;
}

void payload_free(struct payload *payload) {
  free(payload->table);
  payload->table = NULL;
}

const uint8_t *payload_of(const struct payload *payload, uint32_t sender, uint64_t sequence) {
  return payload->table + (payload_mix((uint64_t)sender << 40 ^ sequence) & (STARTS - 4));
}

void payload_mask(uint8_t *to, const uint8_t *from, size_t length, uint32_t key) {
  uint64_t wide = (uint64_t)key << 32 | key, word;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    memcpy(&word, from + i, 8);
    word ^= wide;
    memcpy(to + i, &word, 8);
  }
  for (; i < length; i++) to[i] = from[i] ^ (uint8_t)(key >> 8 * (i % 4));
}
