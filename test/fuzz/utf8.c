/* UTF-8 in pieces against the reference. */
#include "wire/utf8.h"

#include "reference.h"
#include "target.h"

void fuzz_utf8(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  size_t step = 1u + fuzz_byte(&in) % 80;
  lwsn_utf8 v;
  lwsn_utf8_reset(&v);
  bool ascii = true;
  const uint8_t *text = in.data;
  for (size_t fed = 0; in.size > 0;) {
    fuzz_input piece = fuzz_take(&in, step);
    uint8_t *copy = fuzz_copy(piece.data, piece.size);
    bool fits = lwsn_utf8_feed(&v, copy, piece.size);
    free(copy);
    fed += piece.size;
    for (size_t i = 0; i < piece.size; i++) ascii = ascii && piece.data[i] < 0x80;
    reference_text expected = reference_utf8(text, fed);
    EXPECT(fits == (expected != REFERENCE_WRONG));
    EXPECT(lwsn_utf8_complete(&v) == (expected == REFERENCE_WHOLE));
    EXPECT(v.ascii == ascii);
  }
}
