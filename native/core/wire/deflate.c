#include "wire/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
  OUTPUT_MIN = 4096,
  OUTPUT_KEEP = 128 * 1024, /* a larger result does not outlive its turn */
  INPUT_MAX = 1 << 30,      /* zlib counts in 32 bits */
};

/* One compressor that connections without context takeover share. */
typedef struct shared_deflater {
  struct shared_deflater *next;
  uint8_t window_bits, level, mem_level;
  z_stream stream;
} shared_deflater;

struct lwsn_deflate_shared {
  shared_deflater *deflaters; /* one per combination in use: at most 7 × 10 × 9, in practice one */
  uint8_t *output;            /* of lwsn_deflate_message */
  size_t output_capacity;
  z_stream inflater; /* of whole messages without context takeover */
  bool inflater_ready;
};

struct lwsn_deflate {
  lwsn_deflate_shared *shared;
  lwsn_deflate_options options;
  z_stream *deflater; /* with own_takeover only */
  z_stream *inflater; /* with peer_takeover always; without, from first to last piece of a message */
  bool has_input;     /* of the message that is being inflated */
};

lwsn_deflate *lwsn_deflate_create(lwsn_deflate_shared **shared, const lwsn_deflate_options *options) {
  if (!*shared && !(*shared = calloc(1, sizeof **shared))) return NULL;
  lwsn_deflate *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->shared = *shared;
  d->options = *options;
  return d;
}

static void free_inflater(lwsn_deflate *d) {
  if (!d->inflater) return;
  inflateEnd(d->inflater);
  free(d->inflater);
  d->inflater = NULL;
}

void lwsn_deflate_free(lwsn_deflate *d) {
  if (!d) return;
  if (d->deflater) {
    deflateEnd(d->deflater);
    free(d->deflater);
  }
  free_inflater(d);
  free(d);
}

void lwsn_deflate_shared_free(lwsn_deflate_shared *shared) {
  if (!shared) return;
  while (shared->deflaters) {
    shared_deflater *s = shared->deflaters;
    shared->deflaters = s->next;
    deflateEnd(&s->stream);
    free(s);
  }
  if (shared->inflater_ready) inflateEnd(&shared->inflater);
  free(shared->output);
  free(shared);
}

void lwsn_deflate_shared_trim(lwsn_deflate_shared *shared) {
  if (!shared || shared->output_capacity <= OUTPUT_KEEP) return;
  free(shared->output);
  shared->output = NULL;
  shared->output_capacity = 0;
}

bool lwsn_deflate_wanted(const lwsn_deflate *d, size_t size) {
  return size >= d->options.threshold && size <= INPUT_MAX && d->options.own_window_bits > 8;
}

uint32_t lwsn_deflate_settings(const lwsn_deflate *d) {
  const lwsn_deflate_options *o = &d->options;
  return o->own_takeover ? 0 : (uint32_t)o->own_window_bits << 16 | (uint32_t)o->level << 8 | o->mem_level;
}

/* Raw deflate: a negative window size keeps zlib's header and checksum out. */
static bool init_deflater(z_stream *stream, const lwsn_deflate_options *o) {
  memset(stream, 0, sizeof *stream);
  return deflateInit2(stream, o->level, Z_DEFLATED, -(int)o->own_window_bits, o->mem_level, Z_DEFAULT_STRATEGY) == Z_OK;
}

static z_stream *shared_stream(lwsn_deflate *d) {
  lwsn_deflate_shared *shared = d->shared;
  const lwsn_deflate_options *o = &d->options;
  for (shared_deflater *s = shared->deflaters; s; s = s->next) {
    if (s->window_bits != o->own_window_bits || s->level != o->level || s->mem_level != o->mem_level) continue;
    deflateReset(&s->stream);
    return &s->stream;
  }
  shared_deflater *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  if (!init_deflater(&s->stream, o)) {
    free(s);
    return NULL;
  }
  s->window_bits = o->own_window_bits;
  s->level = o->level;
  s->mem_level = o->mem_level;
  s->next = shared->deflaters;
  shared->deflaters = s;
  return &s->stream;
}

static z_stream *own_stream(lwsn_deflate *d) {
  if (d->deflater) return d->deflater;
  d->deflater = malloc(sizeof *d->deflater);
  if (d->deflater && !init_deflater(d->deflater, &d->options)) {
    free(d->deflater);
    d->deflater = NULL;
  }
  return d->deflater;
}

static bool output_room(lwsn_deflate_shared *shared, size_t needed) {
  if (needed <= shared->output_capacity) return true;
  size_t capacity = shared->output_capacity ? shared->output_capacity : OUTPUT_MIN;
  while (capacity < needed) capacity *= 2;
  uint8_t *grown = realloc(shared->output, capacity);
  if (!grown) return false;
  shared->output = grown;
  shared->output_capacity = capacity;
  return true;
}

uint8_t *lwsn_deflate_message(lwsn_deflate *d, const uint8_t *data, size_t size, size_t headroom, size_t *result) {
  lwsn_deflate_shared *shared = d->shared;
  z_stream *stream = d->options.own_takeover ? own_stream(d) : shared_stream(d);
  if (!stream) return NULL;
  /* room for everything at once: deflateBound, and the sync marker */
  size_t bound = deflateBound(stream, size) + 16;
  if (!output_room(shared, headroom + bound)) return NULL;
  if (size == 0) { /* RFC 7692 7.2.3.6; zlib would see nothing to flush */
    shared->output[headroom] = 0;
    *result = 1;
    return shared->output + headroom;
  }
  stream->next_in = (Bytef *)data;
  stream->avail_in = (uInt)size;
  stream->next_out = shared->output + headroom;
  stream->avail_out = (uInt)bound;
  if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in > 0 || stream->avail_out == 0) {
    if (d->options.own_takeover) deflateReset(stream);
    return NULL;
  }
  size_t length = bound - stream->avail_out;
  /* RFC 7692 7.2.1: the empty block 00 00 ff ff at the end is not sent */
  if (length >= 4 && memcmp(shared->output + headroom + length - 4, "\0\0\xff\xff", 4) == 0) length -= 4;
  *result = length;
  return shared->output + headroom;
}

/* A window of 15 bits reads what was made with any smaller one. */
static z_stream *shared_inflater(lwsn_deflate_shared *shared) {
  if (shared->inflater_ready) return inflateReset(&shared->inflater) == Z_OK ? &shared->inflater : NULL;
  shared->inflater_ready = inflateInit2(&shared->inflater, -15) == Z_OK;
  return shared->inflater_ready ? &shared->inflater : NULL;
}

static z_stream *inflater_for(lwsn_deflate *d, bool final) {
  if (d->inflater) return d->inflater;
  if (final && !d->options.peer_takeover) return shared_inflater(d->shared);
  d->inflater = calloc(1, sizeof *d->inflater);
  /* zlib takes a window of 8 bits for inflating only as 9 would do as well */
  int bits = d->options.peer_window_bits < 9 ? 9 : d->options.peer_window_bits;
  if (d->inflater && inflateInit2(d->inflater, -bits) != Z_OK) {
    free(d->inflater);
    d->inflater = NULL;
  }
  return d->inflater;
}

static bool grow(lwsn_inflated *out) {
  size_t capacity = out->capacity ? out->capacity * 2 : OUTPUT_MIN;
  /* one byte over the limit shows that it was passed */
  if ((double)capacity > out->limit + 1) capacity = (size_t)out->limit + 1;
  if (capacity <= out->size) return false;
  uint8_t *grown = realloc(out->data, capacity);
  if (!grown) return false;
  out->data = grown;
  out->capacity = capacity;
  return true;
}

static lwsn_inflate_result run(z_stream *stream, lwsn_inflated *out) {
  for (;;) {
    if (out->size == out->capacity) {
      if ((double)out->size > out->limit) return LWSN_INFLATE_TOO_BIG;
      if (!grow(out)) return LWSN_INFLATE_MEMORY;
    }
    size_t room = out->capacity - out->size;
    uInt offered = room > 0x40000000 ? 0x40000000 : (uInt)room;
    stream->next_out = out->data + out->size;
    stream->avail_out = offered;
    int code = inflate(stream, Z_SYNC_FLUSH);
    out->size += offered - stream->avail_out;
    if ((double)out->size > out->limit) return LWSN_INFLATE_TOO_BIG;
    if (code == Z_STREAM_END) {
      /* RFC 7692 7.2.3.4: a block with BFINAL may occur; what follows begins at a byte and still refers back */
      if (inflateResetKeep(stream) != Z_OK) return LWSN_INFLATE_BAD;
      if (stream->avail_in == 0) return LWSN_INFLATE_OK;
      continue;
    }
    if (code == Z_BUF_ERROR || code == Z_OK) {
      if (stream->avail_out > 0) return stream->avail_in == 0 ? LWSN_INFLATE_OK : LWSN_INFLATE_BAD;
      continue;
    }
    return code == Z_MEM_ERROR ? LWSN_INFLATE_MEMORY : LWSN_INFLATE_BAD;
  }
}

/* zlib.h, inflate(): bit 7 of data_type; a message cut off inside a block would pass for a shorter one */
static bool between_blocks(const z_stream *stream) { return (stream->data_type & 128) != 0 || stream->total_in == 0; }

lwsn_inflate_result lwsn_inflate_piece(lwsn_deflate *d, const uint8_t *data, size_t size, bool final,
                                       lwsn_inflated *out) {
  static const uint8_t tail[4] = {0, 0, 0xff, 0xff}; /* RFC 7692 7.2.2 */
  z_stream *stream = inflater_for(d, final);
  if (!stream) return LWSN_INFLATE_MEMORY;
  lwsn_inflate_result result = LWSN_INFLATE_OK;
  if (size > 0) {
    d->has_input = true;
    stream->next_in = (Bytef *)data;
    stream->avail_in = (uInt)size;
    result = run(stream, out);
  }
  if (!final || result != LWSN_INFLATE_OK) return result;
  /* without a byte it is an empty message, and one that ended with BFINAL needs no tail */
  bool has_input = d->has_input;
  d->has_input = false;
  if (has_input && stream->total_in > 0) {
    stream->next_in = (Bytef *)tail;
    stream->avail_in = sizeof tail;
    result = run(stream, out);
    if (result == LWSN_INFLATE_OK && !between_blocks(stream)) result = LWSN_INFLATE_BAD;
  }
  if (!d->options.peer_takeover) free_inflater(d);
  return result;
}

void lwsn_inflate_stop(lwsn_deflate *d) {
  free_inflater(d);
  d->has_input = false;
}

size_t lwsn_deflate_memory(const lwsn_deflate *d) {
  const lwsn_deflate_options *o = &d->options;
  size_t bytes = sizeof *d;
  /* zlib's own account of its memory (zconf.h) */
  if (d->deflater) bytes += ((size_t)1 << (o->own_window_bits + 2)) + ((size_t)1 << (o->mem_level + 9)) + 6 * 1024;
  if (d->inflater) bytes += ((size_t)1 << o->peer_window_bits) + 7 * 1024;
  return bytes;
}
