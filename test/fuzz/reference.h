/* Plain implementations to compare with: written for being obviously right. */
#ifndef LWSN_FUZZ_REFERENCE_H
#define LWSN_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum reference_text {
  REFERENCE_WRONG, /* no continuation makes it UTF-8 */
  REFERENCE_OPEN,  /* it ends inside a sequence */
  REFERENCE_WHOLE,
} reference_text;

/* RFC 3629, by the code points that a sequence can still become. */
reference_text reference_utf8(const uint8_t *p, size_t n);

#endif
