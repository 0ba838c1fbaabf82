#ifndef LWSN_PROTOCOLS_H
#define LWSN_PROTOCOLS_H

/** The places of our protocols in lws's list: what a transport begins with, and what it is promoted to. */
enum { LWSN_PROTOCOL_RAW = 0, LWSN_PROTOCOL_WS = 1, LWSN_PROTOCOLS = 2 };

#endif
