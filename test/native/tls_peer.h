/* TLS on a peer: an OpenSSL of its own between the test and the peer's socket, in either role. */
#ifndef LWSN_TEST_TLS_PEER_H
#define LWSN_TEST_TLS_PEER_H

#include <openssl/ssl.h>

#include "net/tls_context.h"
#include "peer.h"

typedef struct tls_peer {
  peer *raw;
  SSL *ssl;
  size_t step; /* output leaves in pieces of so many bytes, each read by the core before the next; 0: at once */
  peer plain;  /* decrypted input, for the functions of wire.h */
  bool failed; /* OpenSSL refused what came */
  bool ended;  /* close_notify came */
} tls_peer;

/* A context for the core with a certificate for "localhost" that was made for this process. The caller unrefs it. */
lwsn_tls_context *tls_server_context(void);

/* A context for a client of the core. `trusting`: it accepts that certificate, else none. */
lwsn_tls_context *tls_client_context(bool trusting);

/* Puts TLS on a peer, as client, or as a server with that certificate. `version`: TLS1_2_VERSION, TLS1_3_VERSION. */
void tls_peer_begin(tls_peer *p, peer *raw, bool server, int version);

/* Takes in what came and sends what is due; to be called in a condition of CHECK_SOON. True: the handshake is done. */
bool tls_peer_pump(tls_peer *p);

/* Encrypts and sends. */
void tls_peer_send(tls_peer *p, const void *data, size_t size);

void tls_peer_say(tls_peer *p, const char *text);

/* Encrypts and sends a masked frame, in records of its own. */
void tls_peer_frame(tls_peer *p, unsigned first, const void *data, size_t size);

/* Begins a world with a server under TLS that accepts, echoes and responds. */
void tls_world_begin(world *w);

/* A client of it, upgraded. `step` as above. */
void tls_peer_open(world *w, tls_peer *p, int version, size_t step);

/*
 * The other way round: a client of the core under TLS, upgraded, whose server is the peer, over a pair of sockets of
 * `type` (SOCK_STREAM; SOCK_SEQPACKET keeps what the core sends in one call together). The world accepts.
 */
void tls_peer_serve(world *w, tls_peer *p, int version, int type, lwsn_handle *handle);

/* Sends close_notify. */
void tls_peer_notify(tls_peer *p);

void tls_peer_free(tls_peer *p);

/* Frees the certificate. */
void tls_peer_forget(void);

#endif
