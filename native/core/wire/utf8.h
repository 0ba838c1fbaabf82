/*
 * UTF-8 validation in pieces (RFC 3629), failing at the first byte that cannot be right, as RFC 6455 §8.1
 * asks for text messages and close reasons. Overlong forms, surrogates (U+D800..U+DFFF) and everything above
 * U+10FFFF are invalid.
 */
#ifndef LWSN_UTF8_H
#define LWSN_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lwsn_utf8 {
  uint8_t need;      /* continuation bytes that the open sequence still lacks */
  uint8_t low, high; /* what the next of them may be; low > high once a byte was invalid */
  bool ascii;        /* every byte since the reset was below 0x80 */
} lwsn_utf8;

/* Begins a new text. */
void lwsn_utf8_reset(lwsn_utf8 *v);

/*
 * Takes the next n bytes (n may be 0). Returns false as soon as they hold a byte that cannot continue a valid
 * sequence; which byte that was is not told, `ascii` is then false, and every later feed returns false until
 * the reset. A sequence may be split anywhere between two feeds.
 */
bool lwsn_utf8_feed(lwsn_utf8 *v, const uint8_t *p, size_t n);

/* Whether the text may end here: nothing was invalid and no sequence is left open. */
bool lwsn_utf8_complete(const lwsn_utf8 *v);

/* Whether the n bytes are a whole valid text: reset, feed and complete. `ascii` tells what it is of. */
bool lwsn_utf8_whole(lwsn_utf8 *v, const uint8_t *p, size_t n);

#endif
