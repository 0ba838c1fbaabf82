#ifndef LWSN_REGION_H
#define LWSN_REGION_H

#include <stddef.h>
#include <stdint.h>

/**
 * Memory that the core and the other side both see for the life of a context:
 * the record ring, the out-ring, the counters. Each side holds a reference;
 * whoever lets go last frees it, in whatever order the two sides die.
 * All references are taken and dropped on the thread of the loop.
 */
typedef struct lwsn_region {
  uint8_t *data;
  size_t size;
  unsigned refs;
} lwsn_region;

/** Zeroed, page-aligned memory with one reference, or NULL. Untouched pages cost nothing. */
lwsn_region *lwsn_region_create(size_t size);
void lwsn_region_ref(lwsn_region *region);
/** NULL is allowed. */
void lwsn_region_unref(lwsn_region *region);

#endif
