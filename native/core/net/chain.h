#ifndef LWSN_CHAIN_H
#define LWSN_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/handle.h"
#include "base/region.h"

struct lwsn_services;
struct lwsn_transport;

/** A publication on its way to one connection: an element of that connection's chain. */
typedef struct lwsn_delivery {
  uint32_t publication; /* LWSN_OVERFLOW: close it instead, what was published did not fit */
  uint32_t next;        /* a link */
} lwsn_delivery;

enum { LWSN_OVERFLOW = UINT32_MAX };

/**
 * A link names the next thing a transport sends: 0 for the end, an offset in the
 * ring, or with this bit the place of a delivery.
 */
enum { LWSN_LINK_DELIVERY = 1u << 31 };

/**
 * What the next flush sends, threaded together for each transport: the records of
 * the out-ring and the deliveries of publications, in the order of their calls.
 */
typedef struct lwsn_chain {
  lwsn_region *ring;  /* the out-ring (crossing/outbound.h) */
  lwsn_handle *dirty; /* transports with something in this flush */
  uint32_t dirty_count, dirty_capacity;
  lwsn_delivery *deliveries;
  uint32_t delivery_count, delivery_capacity;
} lwsn_chain;

/** False: no memory. */
bool lwsn_chain_init(lwsn_chain *chain);
void lwsn_chain_free(lwsn_chain *chain);

/** Whether a flush would find anything. */
bool lwsn_chain_is_empty(const lwsn_chain *chain);

/** Bytes of the out-ring that are written. */
uint32_t lwsn_chain_written(const lwsn_chain *chain);

/**
 * Threads the records so far into the chains of their transports: what is linked
 * now comes behind them. Connections that these close or terminate leave their topics.
 */
void lwsn_chain_sort(struct lwsn_services *services);

/** Room for so many further deliveries, each to another transport. False: no memory. */
bool lwsn_chain_reserve(lwsn_chain *chain, uint32_t deliveries);

/** Appends a delivery to what its transport sends in this flush, for which there is room. */
void lwsn_chain_deliver(struct lwsn_transport *t, uint32_t publication);

/** Everything was sent: the ring begins anew. */
void lwsn_chain_clear(lwsn_chain *chain);

#endif
