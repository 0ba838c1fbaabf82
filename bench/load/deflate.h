#ifndef BENCH_DEFLATE_H
#define BENCH_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* permessage-deflate without context takeover on either side (RFC 7692 7.1.1): each message stands alone, so all
 * connections share one compressor and one decompressor. */
struct deflate;

#define DEFLATE_OFFER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* NULL: no memory. `size` is that of each message. */
struct deflate *deflate_create(size_t size);
void deflate_free(struct deflate *deflate);

/* Most bytes a compressed message can have. */
size_t deflate_bound(size_t size);

/* A message compressed; valid until the next. NULL: zlib failed. */
const uint8_t *deflate_message(struct deflate *deflate, const uint8_t *bytes, size_t length, size_t *packed);

/* The opposite. NULL: malformed, or larger than a message is. */
const uint8_t *inflate_message(struct deflate *deflate, const uint8_t *packed, size_t length, size_t *size);

#endif
