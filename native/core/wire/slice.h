#ifndef LWSN_SLICE_H
#define LWSN_SLICE_H

#include <stddef.h>

/* n bytes at p, no NUL behind them. p is NULL where a field is absent; an empty field has a p and n 0. */
typedef struct lwsn_slice {
  const char *p;
  size_t n;
} lwsn_slice;

#endif
