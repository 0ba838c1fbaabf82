#include "net/peers.h"

#include <stdlib.h>
#include <string.h>

void lwsn_peers_init(lwsn_peers *peers, uint64_t seed) {
  memset(peers, 0, sizeof *peers);
  peers->seed = seed;
}

void lwsn_peers_free(lwsn_peers *peers) {
  free(peers->entries);
  memset(peers, 0, sizeof *peers);
}

static uint64_t hash(const lwsn_peers *peers, const uint8_t address[16]) {
  uint64_t low, high;
  memcpy(&low, address, 8);
  memcpy(&high, address + 8, 8);
  uint64_t h = (low ^ peers->seed) * 0x9e3779b97f4a7c15u;
  h = (h ^ (h >> 29) ^ high) * 0xbf58476d1ce4e5b9u;
  h = (h ^ (h >> 32) ^ peers->seed) * 0x94d049bb133111ebu;
  return h ^ (h >> 31);
}

/* The entry of the address, or the free one where it belongs. */
static lwsn_peer_count *find(const lwsn_peers *peers, const uint8_t address[16]) {
  uint32_t mask = peers->capacity - 1;
  for (uint32_t i = (uint32_t)hash(peers, address) & mask;; i = (i + 1) & mask) {
    lwsn_peer_count *entry = &peers->entries[i];
    if (entry->count == 0 || memcmp(entry->address, address, 16) == 0) return entry;
  }
}

uint32_t lwsn_peers_count(const lwsn_peers *peers, const uint8_t address[16]) {
  return peers->capacity ? find(peers, address)->count : 0;
}

static bool grow(lwsn_peers *peers) {
  lwsn_peers bigger = *peers;
  bigger.capacity = peers->capacity ? peers->capacity * 2 : 64;
  bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
  if (!bigger.entries) return false;
  for (uint32_t i = 0; i < peers->capacity; i++)
    if (peers->entries[i].count) *find(&bigger, peers->entries[i].address) = peers->entries[i];
  free(peers->entries);
  *peers = bigger;
  return true;
}

bool lwsn_peers_add(lwsn_peers *peers, const uint8_t address[16]) {
  if (peers->used * 2 >= peers->capacity && !grow(peers)) return false;
  lwsn_peer_count *entry = find(peers, address);
  if (entry->count++ == 0) {
    memcpy(entry->address, address, 16);
    peers->used++;
  }
  return true;
}

void lwsn_peers_remove(lwsn_peers *peers, const uint8_t address[16]) {
  lwsn_peer_count *entry = find(peers, address);
  if (--entry->count > 0) return;
  peers->used--;
  /* close the gap, so that probing needs no tombstones */
  uint32_t mask = peers->capacity - 1;
  uint32_t gap = (uint32_t)(entry - peers->entries);
  for (uint32_t i = (gap + 1) & mask; peers->entries[i].count; i = (i + 1) & mask) {
    uint32_t home = (uint32_t)hash(peers, peers->entries[i].address) & mask;
    if (((i - home) & mask) < ((i - gap) & mask)) continue;
    peers->entries[gap] = peers->entries[i];
    peers->entries[i].count = 0;
    gap = i;
  }
}
