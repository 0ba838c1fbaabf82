#include "deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct deflate {
  z_stream out, in;
  size_t size;
  uint8_t *packed, *plain;
};

size_t deflate_bound(size_t size) { return size + size / 1000 + 64; }

struct deflate *deflate_create(size_t size) {
  struct deflate *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->size = size;
  d->packed = malloc(deflate_bound(size));
  d->plain = malloc(size + 1);
  /* level 1: the generator shall not be what is waited for */
  if (!d->packed || !d->plain || deflateInit2(&d->out, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
      inflateInit2(&d->in, -15) != Z_OK) {
    deflate_free(d);
    return NULL;
  }
  return d;
}

void deflate_free(struct deflate *d) {
  if (!d) return;
  deflateEnd(&d->out);
  inflateEnd(&d->in);
  free(d->packed);
  free(d->plain);
  free(d);
}

const uint8_t *deflate_message(struct deflate *d, const uint8_t *bytes, size_t length, size_t *packed) {
  deflateReset(&d->out);
  d->out.next_in = (Bytef *)bytes;
  d->out.avail_in = (uInt)length;
  d->out.next_out = d->packed;
  d->out.avail_out = (uInt)deflate_bound(d->size);
  if (deflate(&d->out, Z_SYNC_FLUSH) != Z_OK || d->out.avail_in || d->out.total_out < 4) return NULL;
  *packed = d->out.total_out - 4; /* RFC 7692 7.2.1: without 00 00 ff ff */
  return d->packed;
}

static bool inflate_part(struct deflate *d, const uint8_t *bytes, size_t length) {
  d->in.next_in = (Bytef *)bytes;
  d->in.avail_in = (uInt)length;
  int result = inflate(&d->in, Z_SYNC_FLUSH);
  return (result == Z_OK || result == Z_BUF_ERROR || result == Z_STREAM_END) && !d->in.avail_in;
}

const uint8_t *inflate_message(struct deflate *d, const uint8_t *packed, size_t length, size_t *size) {
  static const uint8_t tail[4] = {0, 0, 0xff, 0xff};
  inflateReset(&d->in);
  d->in.next_out = d->plain;
  d->in.avail_out = (uInt)(d->size + 1); /* one more shows a message that is too long */
  if (!inflate_part(d, packed, length) || !inflate_part(d, tail, sizeof tail)) return NULL;
  *size = d->in.total_out;
  return d->plain;
}
