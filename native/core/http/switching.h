#ifndef LWSN_SWITCHING_H
#define LWSN_SWITCHING_H

#include "net/transport.h"

/** Sends the 101 that accepts the handshake with this key, and `headers` (whole lines) in it. False: the transport dies. */
bool lwsn_switch(lwsn_transport *t, const char key[24], const char *headers, size_t size);

#endif
