#ifndef LWSN_SERVICES_H
#define LWSN_SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/registry.h"
#include "base/wheel.h"
#include "crossing/inbound.h"
#include "lws/door.h"
#include "wire/deflate.h"
#include "wire/frame.h"

struct lwsn_server;
struct lwsn_services;
struct lwsn_transport;

enum {
  LWSN_SCRATCH_SIZE = 128 * 1024, /* one read takes at most this much */
};

/**
 * A place in the table of servers. The id of a server is its place, and above it
 * which tenant of the place it is. No id comes twice: a place that has had
 * LWSN_SERVER_TENANTS tenants stays empty.
 */
typedef struct lwsn_place {
  struct lwsn_server *server; /* NULL where free */
  uint64_t tenants;
} lwsn_place;

/** What rooms above do when this one asks for it. */
typedef struct lwsn_above {
  /** Flushes what was sent so far. Not inside a flush. */
  void (*flush)(struct lwsn_services *services);
  /** Ends the subscriptions of a transport, which has some. */
  void (*unsubscribe)(struct lwsn_transport *t);
} lwsn_above;

/**
 * What the rooms of one environment share: a part of its context, which makes and
 * frees it. Everything is touched by the environment's thread alone.
 */
typedef struct lwsn_services {
  lwsn_loop loop;
  lwsn_door *door;
  lwsn_wheel wheel;
  lwsn_registry registry;
  lwsn_inbound inbound;
  struct lwsn_chain *chain; /* the context's (net/chain.h) */
  const lwsn_above *above;
  struct lwsn_publications *publications; /* the context's (topics/publish.h) */
  lwsn_place *places;                     /* of servers */
  uint32_t places_used, places_capacity, places_free;
  lwsn_node groups; /* its memberships (topics/group.h) */
  lwsn_node stalled;
  lwsn_node leaving; /* their CLOSING waits until what was told of them before is delivered */
  lwsn_node doomed;
  uint8_t *scratch;
  struct lwsn_tls_io *tls_io; /* made with the first TLS transport */
  lwsn_deflate_shared *deflate;
  lwsn_mask_source masks;
  bool destroying; /* nobody is told anything any more */
} lwsn_services;

/** Served time (base/loop.h). */
static inline uint64_t lwsn_now(const lwsn_services *services) { return lwsn_loop_now(&services->loop); }

#endif
