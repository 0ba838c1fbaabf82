#include "net/chain.h"

#include <stdlib.h>
#include <string.h>

#include "crossing/outbound.h"
#include "net/transport.h"

enum {
  RING_RECORDS_MAX = (LWSN_OUT_SIZE - LWSN_OUT_START) / LWSN_OUT_HEADER,
  DELIVERIES_MIN = 256,
};

_Static_assert(sizeof(lwsn_out_record) == LWSN_OUT_HEADER, "the surface to lib/crossing/native.ts");

static uint32_t *words_of(const lwsn_chain *chain) { return (uint32_t *)chain->ring->data; }

bool lwsn_chain_init(lwsn_chain *chain) {
  memset(chain, 0, sizeof *chain);
  chain->ring = lwsn_region_create(LWSN_OUT_SIZE);
  /* for the most records there can be: a flush must not fail */
  chain->dirty_capacity = RING_RECORDS_MAX;
  chain->dirty = malloc(RING_RECORDS_MAX * sizeof *chain->dirty);
  if (!chain->ring || !chain->dirty) {
    lwsn_chain_free(chain);
    return false;
  }
  lwsn_chain_clear(chain);
  return true;
}

void lwsn_chain_free(lwsn_chain *chain) {
  lwsn_region_unref(chain->ring);
  free(chain->dirty);
  free(chain->deliveries);
  memset(chain, 0, sizeof *chain);
}

uint32_t lwsn_chain_written(const lwsn_chain *chain) { return words_of(chain)[LWSN_OUT_WRITE_OFFSET]; }

bool lwsn_chain_is_empty(const lwsn_chain *chain) {
  return lwsn_chain_written(chain) <= LWSN_OUT_START && chain->delivery_count == 0;
}

void lwsn_chain_clear(lwsn_chain *chain) {
  uint32_t *words = words_of(chain);
  words[LWSN_OUT_SORTED] = words[LWSN_OUT_WRITE_OFFSET] = LWSN_OUT_START;
  chain->dirty_count = chain->delivery_count = 0;
}

static bool reserve_dirty(lwsn_chain *chain, uint32_t transports) {
  uint32_t needed = chain->dirty_count + transports + RING_RECORDS_MAX;
  if (needed <= chain->dirty_capacity) return true;
  lwsn_handle *grown = realloc(chain->dirty, needed * sizeof *grown);
  if (!grown) return false;
  chain->dirty = grown;
  chain->dirty_capacity = needed;
  return true;
}

static bool reserve_deliveries(lwsn_chain *chain, uint32_t deliveries) {
  uint32_t needed = chain->delivery_count + deliveries;
  if (needed <= chain->delivery_capacity) return true;
  uint32_t wanted = chain->delivery_capacity ? chain->delivery_capacity : DELIVERIES_MIN;
  while (wanted < needed) wanted *= 2;
  lwsn_delivery *grown = realloc(chain->deliveries, wanted * sizeof *grown);
  if (!grown) return false;
  chain->deliveries = grown;
  chain->delivery_capacity = wanted;
  return true;
}

bool lwsn_chain_reserve(lwsn_chain *chain, uint32_t deliveries) {
  return reserve_deliveries(chain, deliveries) && reserve_dirty(chain, deliveries);
}

static void append(lwsn_transport *t, uint32_t link) {
  lwsn_chain *chain = t->services->chain;
  if (!t->out_first) {
    t->out_first = link;
    chain->dirty[chain->dirty_count++] = t->handle;
  } else if (t->out_last & LWSN_LINK_DELIVERY) {
    chain->deliveries[t->out_last & ~LWSN_LINK_DELIVERY].next = link;
  } else {
    ((lwsn_out_record *)(chain->ring->data + t->out_last))->link = link;
  }
  t->out_last = link;
}

void lwsn_chain_deliver(lwsn_transport *t, uint32_t publication) {
  lwsn_chain *chain = t->services->chain;
  uint32_t delivery = chain->delivery_count++;
  chain->deliveries[delivery] = (lwsn_delivery){.publication = publication};
  append(t, delivery | LWSN_LINK_DELIVERY);
}

/* What a record means for publications before it is applied. */
static void foresee(lwsn_transport *t, const lwsn_out_record *r) {
  unsigned kind = r->kind & 0xff;
  if (kind == LWSN_OUT_CLOSE || kind == LWSN_OUT_ANSWER || kind == LWSN_OUT_TERMINATE) lwsn_transport_unsubscribe(t);
}

/* What names a dead handle is left out. */
void lwsn_chain_sort(lwsn_services *services) {
  uint8_t *base = services->chain->ring->data;
  uint32_t *words = words_of(services->chain);
  uint32_t end = words[LWSN_OUT_WRITE_OFFSET], at = words[LWSN_OUT_SORTED];
  while (at < end) {
    lwsn_out_record *r = (lwsn_out_record *)(base + at);
    /* whatever the writer may have done: nothing beyond what it says it wrote */
    if (end > LWSN_OUT_SIZE || end - at < LWSN_OUT_HEADER || r->length > end - at - LWSN_OUT_HEADER) break;
    uint32_t size = (LWSN_OUT_HEADER + r->length + 7) & ~7u;
    lwsn_handle handle = {r->slot, r->link};
    lwsn_transport *t = lwsn_registry_get(&services->registry, handle);
    if (t && !t->doomed) {
      r->link = 0;
      append(t, at);
      foresee(t, r);
    } else {
      lwsn_registry_forgo(&services->registry, handle);
    }
    at += size;
  }
  words[LWSN_OUT_SORTED] = end;
}
