#ifndef LWSN_HASH_H
#define LWSN_HASH_H

#include <stddef.h>
#include <stdint.h>

/** SipHash-1-3: whoever does not know the key cannot choose names that meet in one bucket. */
uint64_t lwsn_hash(const uint64_t key[2], const uint8_t *data, size_t size);

#endif
