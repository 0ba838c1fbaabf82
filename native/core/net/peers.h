#ifndef LWSN_PEERS_H
#define LWSN_PEERS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lwsn_peer_count {
  uint8_t address[16];
  uint32_t count; /* 0: free */
} lwsn_peer_count;

/**
 * How many transports each address holds: an open-addressing table keyed with a
 * random seed, so that a peer cannot choose colliding addresses. It has an entry
 * per address that holds something, none for the others.
 */
typedef struct lwsn_peers {
  lwsn_peer_count *entries;
  uint32_t capacity; /* a power of two */
  uint32_t used;
  uint64_t seed;
} lwsn_peers;

void lwsn_peers_init(lwsn_peers *peers, uint64_t seed);
void lwsn_peers_free(lwsn_peers *peers);

/** Transports held by an address now. */
uint32_t lwsn_peers_count(const lwsn_peers *peers, const uint8_t address[16]);

/** Adds one. False: no memory, nothing was counted. */
bool lwsn_peers_add(lwsn_peers *peers, const uint8_t address[16]);

/** Takes one away that was added. */
void lwsn_peers_remove(lwsn_peers *peers, const uint8_t address[16]);

#endif
