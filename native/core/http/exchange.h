#ifndef LWSN_EXCHANGE_H
#define LWSN_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"
#include "wire/http_body.h"
#include "wire/http_scan.h"

typedef enum lwsn_exchange_state {
  LWSN_EXCHANGE_HEAD,     /* reading a request head */
  LWSN_EXCHANGE_UPGRADE,  /* an upgrade waits for its decision */
  LWSN_EXCHANGE_BODY,     /* the request was told, its body is arriving */
  LWSN_EXCHANGE_BUSY,     /* the request is whole, its response is not finished */
  LWSN_EXCHANGE_CALLING,  /* we are the client: connecting, or reading the head of the answer */
  LWSN_EXCHANGE_ANSWERED, /* the answer was told: a 101 waits for its acceptance, or its body is read */
} lwsn_exchange_state;

/**
 * HTTP/1.1 on a transport, one request after the other (RFC 9112). It is lws's
 * per-session memory of the http protocol: born zeroed at adoption, freed by lws
 * when the transport is bound to the ws protocol, or after RAW_CLOSE.
 */
typedef struct lwsn_exchange {
  lwsn_transport *transport;
  lwsn_exchange_state state;
  char *head; /* malloc'ed while a head arrives */
  uint32_t head_size, head_capacity;
  size_t head_resume;
  lwsn_http_scan scan; /* of that head */
  lwsn_http_body body;
  char key[24]; /* Sec-WebSocket-Key of a held upgrade */
  bool client;
  bool bad_answer; /* what a client was answered is none, and transport->why says so */
  bool told;       /* REQUEST was told, and neither finished nor GONE */
  bool told_once;  /* the other side knows the transport: its end is told too */
  bool begun;      /* bytes of a response were sent */
  bool body_done, keep_alive;
  bool head_method; /* of the present request */
  bool until_end;   /* the body of its response ends with the connection (RFC 9112 6.3) */
  uint64_t written; /* loop time at which more of the response was sent and nothing waited before it */
  uint64_t left;    /* loop time at which the peer sent FIN, or the request was told */
} lwsn_exchange;

/** How a REQUEST payload begins; the head follows. */
typedef struct lwsn_request_prefix {
  lwsn_peer peer;
} lwsn_request_prefix;

/** RAW_ADOPT: starts, unless the header of the PROXY protocol comes first. */
void lwsn_exchange_begin(lwsn_exchange *x, lwsn_transport *t);

/** Starts TLS where the server has it, else it is ready at once. */
void lwsn_exchange_start(lwsn_exchange *x);

/** The transport can carry bytes: over a limit it is answered 503, a client is told CONNECTED. */
void lwsn_exchange_ready(lwsn_exchange *x);

/** Input, in whatever pieces. */
void lwsn_exchange_input(lwsn_exchange *x, const uint8_t *data, size_t size);

/** RAW_CLOSE: tells whoever still waits, frees what it holds. */
void lwsn_exchange_closed(lwsn_exchange *x);

/**
 * Accepts a held upgrade: 101 with `headers` (whole lines), then ESTABLISHED.
 * `flags`: lwsn_connection_flag. The exchange is gone afterwards.
 */
void lwsn_exchange_accept(lwsn_exchange *x, const char *headers, size_t size, unsigned flags);

/**
 * Accepts a held upgrade that nobody else decides about (introduction.h). Not
 * under lws: the exchange is gone afterwards.
 */
void lwsn_exchange_accept_alone(lwsn_exchange *x);

/** The response is complete: the next request, or the end of the transport. */
void lwsn_exchange_finish(lwsn_exchange *x, bool keep_alive);

/** Whether input would be parsed now. */
bool lwsn_exchange_wants_input(const lwsn_exchange *x);

/** Whether no input is wanted now. */
bool lwsn_exchange_holds(const lwsn_exchange *x);

/** The peer, which is there, was waited for too long: 408 where that can still be said, then the end. */
void lwsn_exchange_late(lwsn_exchange *x);

/** The body of the present response ends with the connection. */
void lwsn_exchange_until_end(lwsn_exchange *x);

/** Whether an end that is no RST would make half a response look whole. */
bool lwsn_exchange_is_cut(const lwsn_exchange *x);

/** More of a response is about to be sent. */
void lwsn_exchange_written(lwsn_exchange *x);

/** The native queue ran empty. */
void lwsn_exchange_drained(lwsn_exchange *x);

/**
 * The peer's FIN came and nothing of its input is left to parse. What was answered goes out, then the transport ends;
 * a request whose body is cut is told so.
 */
void lwsn_exchange_input_used(lwsn_exchange *x);

/** The peer half-closed or left while input was held. */
void lwsn_exchange_peer_left(lwsn_exchange *x);

/** The server closes: ends when idle, else after the present response. */
void lwsn_exchange_drain(lwsn_exchange *x);

#endif
