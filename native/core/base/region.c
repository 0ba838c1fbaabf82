#include "base/region.h"

#include <stdlib.h>
#include <sys/mman.h>

lwsn_region *lwsn_region_create(size_t size) {
  lwsn_region *region = malloc(sizeof *region);
  if (!region) return NULL;
  /* calloc would put small regions on the heap beside hostile input; a mapping of its own faults instead */
  void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    free(region);
    return NULL;
  }
  region->data = data;
  region->size = size;
  region->refs = 1;
  return region;
}

void lwsn_region_ref(lwsn_region *region) { region->refs++; }

void lwsn_region_unref(lwsn_region *region) {
  if (!region || --region->refs > 0) return;
  munmap(region->data, region->size);
  free(region);
}
