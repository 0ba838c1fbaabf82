#ifndef LWSN_REGISTRY_H
#define LWSN_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/handle.h"
#include "base/region.h"

struct lwsn_transport;

/**
 * The table of slots. It owns the table, not the tenants: a transport takes a
 * slot at accept and gives it back in WSI_DESTROY.
 *
 * A slot that was given back rests until the batch that carries its last record,
 * if there is one, was delivered (lwsn_registry_settle), so that the other side never sees the
 * counters of a new tenant under an old one.
 */
typedef struct lwsn_registry {
  struct lwsn_transport **tenants;
  uint32_t *generations;
  uint32_t *free_slots;
  uint32_t *resting;
  /* shared with the other side; a double per slot: bytes queued natively; then another: bytes handed over, not flushed */
  lwsn_region *queued;
  uint32_t capacity;
  uint32_t used; /* slots ever handed out */
  uint32_t free_count;
  uint32_t resting_count;
  uint32_t tenant_count;
} lwsn_registry;

/** Reserves address space for `capacity` slots; pages are touched as slots are used. False: no memory. */
bool lwsn_registry_init(lwsn_registry *r, uint32_t capacity);

/** Frees the tables. No tenant may be left. */
void lwsn_registry_free(lwsn_registry *r);

/** Gives a tenant a slot. False: all slots are taken. */
bool lwsn_registry_take(lwsn_registry *r, struct lwsn_transport *tenant, lwsn_handle *out);

/** Takes the slot back; from now on its handle resolves to nothing. */
void lwsn_registry_release(lwsn_registry *r, lwsn_handle handle);

/** Makes the `count` slots that have rested longest available again: no record waits for them. */
void lwsn_registry_settle(lwsn_registry *r, uint32_t count);

/** The tenant of a handle, or NULL when it died. */
struct lwsn_transport *lwsn_registry_get(const lwsn_registry *r, lwsn_handle handle);

/** Publishes how many bytes wait natively for this slot's socket. */
void lwsn_registry_set_queued(lwsn_registry *r, uint32_t slot, double bytes);

/** Payload bytes that the next flush takes for this slot: counted by whoever hands them over, on either side. */
double *lwsn_registry_handed(lwsn_registry *r, uint32_t slot);

/** Nobody takes what was handed over for this handle: its tenant is dead or dying. Does nothing for one of the past. */
void lwsn_registry_forgo(lwsn_registry *r, lwsn_handle handle);

#endif
