#ifndef LWSN_HANDLE_H
#define LWSN_HANDLE_H

#include <stdint.h>

/**
 * Names one transport from accept to destruction, and the connection on it.
 * The generation grows each time the slot gets a new tenant, so a kept handle
 * never reaches a later one, whatever addresses lws reuses.
 */
typedef struct lwsn_handle {
  uint32_t slot;
  uint32_t generation;
} lwsn_handle;

#endif
