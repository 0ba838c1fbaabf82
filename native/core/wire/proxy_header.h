#ifndef LWSN_PROXY_HEADER_H
#define LWSN_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>

enum {
  LWSN_PROXY_V1_MAX = 107,  /* the longest line, CR LF included (PROXY protocol 2.1) */
  LWSN_PROXY_V2_START = 16, /* signature, version, family and length (2.2) */
  LWSN_PROXY_V2_MAX = 4096, /* addresses and TLVs of ours to read; the protocol would allow 64 KiB */
  LWSN_PROXY_MAX = LWSN_PROXY_V2_START + LWSN_PROXY_V2_MAX,
};

/** Who is behind the proxy. */
typedef struct lwsn_proxy_source {
  uint8_t family; /* 4 or 6; 0: a unix socket */
  uint8_t known;  /* 0: the proxy speaks for itself, or does not know (LOCAL, UNKNOWN): the peer is the peer */
  uint8_t secure; /* the client spoke TLS with the proxy (PP2_TYPE_SSL) */
  uint16_t port;
  uint8_t address[16];
} lwsn_proxy_source;

enum { LWSN_PROXY_MORE = 0, LWSN_PROXY_MALFORMED = -1 };

/**
 * Reads a header of the PROXY protocol, version 1 or 2, from the first bytes of a
 * network connection. Returns its length and fills `source`; or LWSN_PROXY_MORE
 * while it is a valid beginning, LWSN_PROXY_MALFORMED when it can be none.
 */
int lwsn_proxy_header_parse(const uint8_t *data, size_t size, lwsn_proxy_source *source);

#endif
