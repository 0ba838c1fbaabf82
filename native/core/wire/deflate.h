#ifndef LWSN_DEFLATE_H
#define LWSN_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What both sides agreed on for one connection (RFC 7692 7.1), and our own settings. */
typedef struct lwsn_deflate_options {
  uint8_t own_window_bits;  /* 8–15: of what we send; zlib cannot make 8, so nothing is compressed then */
  uint8_t peer_window_bits; /* 8–15: of what the peer sends */
  uint8_t level;            /* 0–9 */
  uint8_t mem_level;        /* 1–9 */
  bool own_takeover;        /* our context is kept between messages */
  bool peer_takeover;       /* the peer's context is kept between messages */
  uint32_t threshold;       /* bytes below which a message goes uncompressed */
} lwsn_deflate_options;

/**
 * permessage-deflate of one connection (RFC 7692). Its streams are made when the
 * first message needs them. Without context takeover it owns none: connections
 * with equal settings share those of their environment.
 */
typedef struct lwsn_deflate lwsn_deflate;

/** The streams that connections of an environment share. */
typedef struct lwsn_deflate_shared lwsn_deflate_shared;

/** `*shared` is made where it is NULL, and outlives what is created with it. NULL: no memory. */
lwsn_deflate *lwsn_deflate_create(lwsn_deflate_shared **shared, const lwsn_deflate_options *options);
/** NULL is allowed. */
void lwsn_deflate_free(lwsn_deflate *deflate);

/** Whether a message of `size` bytes is worth compressing. */
bool lwsn_deflate_wanted(const lwsn_deflate *deflate, size_t size);

/**
 * A number that is the same for connections of an environment that compress a message
 * to the same bytes; 0 for one that keeps a context of its own.
 */
uint32_t lwsn_deflate_settings(const lwsn_deflate *deflate);

/**
 * Compresses one whole message. The result has `headroom` free bytes before it,
 * and is valid until the next call on any connection of the environment.
 * NULL: no memory; the message may be sent uncompressed.
 */
uint8_t *lwsn_deflate_message(lwsn_deflate *deflate, const uint8_t *data, size_t size, size_t headroom, size_t *result);

/** How far an inflation came. */
typedef enum lwsn_inflate_result {
  LWSN_INFLATE_OK,      /* all input was used, or the message is complete */
  LWSN_INFLATE_TOO_BIG, /* the output passed its limit */
  LWSN_INFLATE_BAD,     /* the input is not a valid stream */
  LWSN_INFLATE_MEMORY,
} lwsn_inflate_result;

/**
 * Where inflated bytes go: `data` is malloc'ed and grows, `size` bytes are used.
 * Never more than `limit` bytes, plus what one growth rounds up to.
 */
typedef struct lwsn_inflated {
  uint8_t *data;
  size_t size, capacity;
  double limit;
} lwsn_inflated;

/**
 * Inflates a piece of a message; `final` after the last one. Pieces of one
 * message come in order, with pieces of other connections between them.
 */
lwsn_inflate_result lwsn_inflate_piece(lwsn_deflate *deflate, const uint8_t *data, size_t size, bool final,
                                       lwsn_inflated *out);

/** Nothing more is inflated: frees what that holds. */
void lwsn_inflate_stop(lwsn_deflate *deflate);

/** Bytes of zlib state this connection owns now. */
size_t lwsn_deflate_memory(const lwsn_deflate *deflate);

/** NULL is allowed. */
void lwsn_deflate_shared_free(lwsn_deflate_shared *shared);
/** Frees the memory of a large result, which is used no longer. NULL is allowed. */
void lwsn_deflate_shared_trim(lwsn_deflate_shared *shared);

#endif
