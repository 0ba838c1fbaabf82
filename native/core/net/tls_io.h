#ifndef LWSN_TLS_IO_H
#define LWSN_TLS_IO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lwsn_services;
struct lwsn_transport;

enum {
  LWSN_TLS_RECORD_MAX = 16 * 1024,  /* plain bytes of one record (RFC 8446 5.1) */
  LWSN_TLS_PLAIN_SIZE = 128 * 1024, /* as much as one read of the socket can decrypt to */
  LWSN_TLS_OUT_SIZE = 64 * 1024,    /* records that leave in one call */
};

/**
 * What the OpenSSL of every transport of an environment reads from and writes to: one
 * BIO over memory of the environment, lent to the transport that is worked for. So no
 * byte waits in it between two calls, and no transport has a buffer of its own.
 * Owned by the services, made with its first TLS transport, freed behind the last.
 */
typedef struct lwsn_tls_io {
  BIO_METHOD *method;
  BIO *bio;
  struct lwsn_transport *t; /* whom the output goes to */
  const uint8_t *in;        /* encrypted input that was not read yet */
  size_t in_size;
  bool last; /* the next record is the last of its flush */
  size_t out_size;
  uint8_t joined[LWSN_TLS_RECORD_MAX]; /* small parts on their way into one record */
  uint8_t out[LWSN_TLS_OUT_SIZE];      /* records that wait for the end of the flush */
  uint8_t plain[LWSN_TLS_PLAIN_SIZE];  /* decrypted input on its way to the parser */
} lwsn_tls_io;

/** That of the environment, made when there is none. NULL: no memory. */
lwsn_tls_io *lwsn_tls_io_of(struct lwsn_services *services);

/** Frees it. NULL is allowed. */
void lwsn_tls_io_free(lwsn_tls_io *io);

/** Sends the records that wait. False: the transport is doomed. */
bool lwsn_tls_io_flush(lwsn_tls_io *io);

#endif
