#include "base/registry.h"

#include <stdlib.h>
#include <string.h>

bool lwsn_registry_init(lwsn_registry *r, uint32_t capacity) {
  memset(r, 0, sizeof *r);
  r->capacity = capacity;
  r->tenants = calloc(capacity, sizeof *r->tenants);
  r->generations = calloc(capacity, sizeof *r->generations);
  r->free_slots = calloc(capacity, sizeof *r->free_slots);
  r->resting = calloc(capacity, sizeof *r->resting);
  r->queued = lwsn_region_create((size_t)capacity * 2 * sizeof(double));
  if (r->tenants && r->generations && r->free_slots && r->resting && r->queued) return true;
  lwsn_registry_free(r);
  return false;
}

void lwsn_registry_free(lwsn_registry *r) {
  free(r->tenants);
  free(r->generations);
  free(r->free_slots);
  free(r->resting);
  lwsn_region_unref(r->queued);
  memset(r, 0, sizeof *r);
}

bool lwsn_registry_take(lwsn_registry *r, struct lwsn_transport *tenant, lwsn_handle *out) {
  uint32_t slot;
  if (r->free_count > 0)
    slot = r->free_slots[--r->free_count];
  else if (r->used < r->capacity)
    slot = r->used++;
  else
    return false;
  r->tenants[slot] = tenant;
  *lwsn_registry_handed(r, slot) = 0; /* the other side may have counted for the last tenant after its release */
  r->tenant_count++;
  out->slot = slot;
  out->generation = ++r->generations[slot];
  return true;
}

void lwsn_registry_release(lwsn_registry *r, lwsn_handle handle) {
  r->tenants[handle.slot] = NULL;
  r->tenant_count--;
  lwsn_registry_set_queued(r, handle.slot, 0);
  r->resting[r->resting_count++] = handle.slot;
}

void lwsn_registry_settle(lwsn_registry *r, uint32_t count) {
  memcpy(r->free_slots + r->free_count, r->resting, count * sizeof *r->resting);
  r->free_count += count;
  r->resting_count -= count;
  memmove(r->resting, r->resting + count, r->resting_count * sizeof *r->resting);
}

struct lwsn_transport *lwsn_registry_get(const lwsn_registry *r, lwsn_handle handle) {
  if (handle.slot >= r->used || r->generations[handle.slot] != handle.generation) return NULL;
  return r->tenants[handle.slot];
}

void lwsn_registry_set_queued(lwsn_registry *r, uint32_t slot, double bytes) {
  ((double *)r->queued->data)[slot] = bytes;
}

double *lwsn_registry_handed(lwsn_registry *r, uint32_t slot) { return (double *)r->queued->data + r->capacity + slot; }

void lwsn_registry_forgo(lwsn_registry *r, lwsn_handle handle) {
  if (handle.slot < r->used && r->generations[handle.slot] == handle.generation)
    *lwsn_registry_handed(r, handle.slot) = 0;
}
