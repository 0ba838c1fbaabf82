#ifndef LWSN_REQUEST_H
#define LWSN_REQUEST_H

#include <stdint.h>

/** Address of a peer as it goes to the other side: family 4, 6 or 0 (unix), port, then the bytes. */
typedef struct lwsn_peer {
  uint8_t family;
  uint8_t pad;
  uint16_t port;
  uint8_t address[16];
} lwsn_peer;

/** How a REQUEST payload begins; the head follows. */
typedef struct lwsn_request_prefix {
  lwsn_peer peer;
} lwsn_request_prefix;

#endif
