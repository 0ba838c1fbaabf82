#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* Every message is a window into one random table; where it starts follows from who sent it and when, so that a lost,
 * doubled, reordered or misrouted message never verifies. */
struct payload {
  uint8_t *table;
  size_t size;
};

bool payload_init(struct payload *payload, enum payload_kind kind, size_t size);
void payload_free(struct payload *payload);

/* Bytes of message `sequence` of connection `sender`; valid while the payload lives. */
const uint8_t *payload_of(const struct payload *payload, uint32_t sender, uint64_t sequence);

/* Copies and masks with the four key bytes, beginning at key byte 0. */
void payload_mask(uint8_t *to, const uint8_t *from, size_t length, uint32_t key);

/* splitmix64: a well mixed value for any input. */
uint64_t payload_mix(uint64_t value);

#endif
