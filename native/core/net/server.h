#ifndef LWSN_SERVER_H
#define LWSN_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "crossing/inbound.h"
#include "net/peers.h"
#include "net/services.h"

struct lwsn_listener;

/** Times in milliseconds, sizes in bytes, 0 = off where it makes sense. Checked by the caller. */
typedef struct lwsn_server_options {
  double max_payload;
  uint32_t ping_interval;
  uint32_t idle_timeout;
  uint32_t handshake_timeout;
  uint32_t close_timeout;
  uint32_t keep_alive_timeout; /* between two requests */
  uint32_t max_header_size;
  uint32_t deflate_threshold;           /* messages below go uncompressed */
  uint32_t max_connections;             /* 0: no limit */
  uint32_t max_connections_per_address; /* 0: no limit */
  uint32_t busy_poll;                   /* microseconds; see lwsn_loop_busy */
  bool accepts_alone;                   /* upgrades are accepted without asking the other side (introduction.h) */
  bool tells_closed;                    /* the end of a connection is told even if nothing else was */
  uint32_t accept_flags;                /* lwsn_connection_flag of those it accepts alone */
  double max_backpressure;              /* of one connection, for what is published */
  bool drops_overflow;                  /* above it: drop, and not close */
  bool proxy_protocol;                  /* its listeners expect a header of the PROXY protocol first */
} lwsn_server_options;

/** Counters since creation, and two gauges. */
typedef struct lwsn_server_stats {
  uint64_t accepted, refused, requests, opened, closed;
  uint64_t messages_received, messages_sent, bytes_received, bytes_sent;
  uint64_t transports, connections; /* gauges */
} lwsn_server_stats;

/**
 * Limits, listeners and the list of transports of one server. Owned by the
 * environment's table of servers; freed when it was released and its last transport
 * is gone.
 */
typedef struct lwsn_server {
  lwsn_services *services;
  uint64_t id;
  lwsn_server_options options;
  lwsn_server_stats stats;
  lwsn_node transports;
  struct lwsn_listener *listeners;
  lwsn_peers peers;
  uint32_t unknown;                   /* connections the other side was not told of yet (introduction.h) */
  struct lwsn_topics *topics;         /* while anybody has subscribed (topics/topics.h) */
  struct lwsn_member_of_group *group; /* NULL: its topics are its own */
  lwsn_node in_member;                /* among its context's servers in that group */
  uint32_t over_limit;                /* of the transports: refused, and about to go */
  struct lwsn_tls_context *tls;       /* for transports that begin now; NULL: plain */
  bool referenced;                    /* its listeners keep the loop alive */
  bool retiring;                      /* no further request on kept-alive transports */
  bool draining;                      /* EMPTY is told when the last transport is gone */
  bool released;
  bool promised; /* EMPTY is still to come, and has its room */
} lwsn_server;

enum { LWSN_SERVER_PLACE_BITS = 20 };
/* 33 bits above the place: 53 in all, which a number of the other side holds exactly */
static const uint64_t LWSN_SERVER_TENANTS = ((uint64_t)1 << 33) - 1;

/** NULL: no memory. */
lwsn_server *lwsn_server_create(lwsn_services *services, const lwsn_server_options *options);

/** By id, or NULL when it was released. */
lwsn_server *lwsn_server_find(lwsn_services *services, uint64_t id);

/** A record about the server itself: EMPTY, LISTENER. */
lwsn_record lwsn_server_record(const lwsn_server *server, lwsn_record_kind kind, uint32_t detail);

/** A transport is gone: EMPTY for a draining server, the end of one that was released. */
void lwsn_server_settle(lwsn_server *server);

/** Replaces the TLS context; transports that began keep theirs. */
void lwsn_server_set_tls(lwsn_server *server, struct lwsn_tls_context *tls);

#endif
