/*
 * WebSocket masking (RFC 6455 §5.3): XOR with a repeated 4-byte key. Masking and unmasking are the same.
 */
#ifndef LWSN_MASK_H
#define LWSN_MASK_H

#include <stddef.h>
#include <stdint.h>

/*
 * dst[i] = src[i] ^ key[(phase + i) & 3] for i in [0, n).
 *
 * `phase` is how many bytes of the same payload came before `src`, so a payload may be worked off in
 * pieces; only its low two bits count. dst == src is allowed, any other overlap is not. Any alignment;
 * n may be 0, and then neither pointer is used. Touches no byte outside the two ranges. Cannot fail.
 */
void lwsn_unmask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4], unsigned phase);

#endif
