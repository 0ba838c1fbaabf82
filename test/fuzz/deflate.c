/*
 * permessage-deflate: what we compress inflates to itself at the other end, in any pieces and with any settings; and
 * arbitrary input never grows beyond its limit, and means the same in pieces as at once.
 */
#include "wire/deflate.h"

#include "target.h"

static lwsn_deflate_shared *shared;

static lwsn_deflate_options options_of(fuzz_input *in) {
  uint8_t a = fuzz_byte(in), b = fuzz_byte(in);
  return (lwsn_deflate_options){
      .own_window_bits = (uint8_t)(9 + (a & 7) % 7),
      .peer_window_bits = (uint8_t)(9 + (a & 7) % 7),
      .level = (uint8_t)((b & 15) % 10),
      .mem_level = (uint8_t)(1 + (b >> 4) % 9),
      .own_takeover = (a & 8) != 0,
      .peer_takeover = (a & 8) != 0,
  };
}

/* In pieces of at most `step` bytes; the last is empty where `bare`. */
static lwsn_inflate_result inflate_message(lwsn_deflate *d, const uint8_t *data, size_t size, size_t step, bool bare,
                                           lwsn_inflated *out) {
  for (size_t at = 0;;) {
    size_t n = size - at < step ? size - at : step;
    bool final = at + n == size && (!bare || n == 0);
    uint8_t *piece = fuzz_copy(data + at, n);
    lwsn_inflate_result result = lwsn_inflate_piece(d, piece, n, final, out);
    free(piece);
    EXPECT(out->size <= out->capacity && (double)out->capacity <= out->limit + 1);
    EXPECT(result == LWSN_INFLATE_TOO_BIG || (double)out->size <= out->limit);
    EXPECT(result != LWSN_INFLATE_MEMORY);
    if (result != LWSN_INFLATE_OK || final) return result;
    at += n;
  }
}

static lwsn_deflate *end_of(const lwsn_deflate_options *o) {
  lwsn_deflate *d = lwsn_deflate_create(&shared, o);
  EXPECT(d != NULL);
  return d;
}

static void round_trip(fuzz_input *in) {
  lwsn_deflate_options o = options_of(in);
  lwsn_deflate *sender = end_of(&o), *receiver = end_of(&o);
  while (in->size > 0) {
    uint8_t how = fuzz_byte(in);
    size_t length = fuzz_byte(in), compressed;
    unsigned times = 1u << (how & 7);
    fuzz_input unit = fuzz_take(in, length);
    uint8_t *message = malloc(unit.size * times + 1);
    if (!message) abort();
    for (unsigned i = 0; i < times && unit.size > 0; i++) memcpy(message + i * unit.size, unit.data, unit.size);
    size_t size = unit.size * times;
    uint8_t *sent = lwsn_deflate_message(sender, message, size, 14, &compressed);
    EXPECT(sent && compressed > 0);
    lwsn_inflated out = {.limit = how & 64 && size > 0 ? (double)size - 1 : (double)size};
    size_t step = 1u + (how >> 3 & 3) * 37;
    lwsn_inflate_result result = inflate_message(receiver, sent, compressed, step, (how & 128) != 0, &out);
    EXPECT(result == ((double)size > out.limit ? LWSN_INFLATE_TOO_BIG : LWSN_INFLATE_OK));
    EXPECT(result != LWSN_INFLATE_OK || (out.size == size && memcmp(out.data, message, size) == 0));
    free(out.data);
    free(message);
    if (result != LWSN_INFLATE_OK) break; /* the connection fails */
  }
  lwsn_deflate_free(sender);
  lwsn_deflate_free(receiver);
}

static void arbitrary(fuzz_input *in) {
  lwsn_deflate_options o = options_of(in);
  uint8_t how = fuzz_byte(in);
  double limit = (double)((size_t)fuzz_byte(in) << (how & 15));
  lwsn_deflate *a = end_of(&o), *b = end_of(&o);
  for (bool go_on = true; go_on && in->size > 0;) {
    fuzz_input message = fuzz_take(in, (size_t)fuzz_byte(in) << (how & 16 ? 4 : 0));
    lwsn_inflated whole = {.limit = limit}, pieces = {.limit = limit};
    lwsn_inflate_result one = inflate_message(a, message.data, message.size, message.size + 1, false, &whole);
    lwsn_inflate_result many = inflate_message(b, message.data, message.size, 1u + (how >> 5), true, &pieces);
    go_on = one == LWSN_INFLATE_OK;
    EXPECT(go_on == (many == LWSN_INFLATE_OK));
    EXPECT(!go_on || (whole.size == pieces.size && (whole.size == 0 || !memcmp(whole.data, pieces.data, whole.size))));
    free(whole.data);
    free(pieces.data);
  }
  lwsn_deflate_free(a);
  lwsn_deflate_free(b);
}

void fuzz_deflate(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  if (fuzz_byte(&in) & 1)
    round_trip(&in);
  else
    arbitrary(&in);
}
