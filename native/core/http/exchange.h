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
 * raw memory (lws/door.h): born zeroed at adoption, freed by lws when the transport
 * is promoted, or after its end.
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

/** Tells of the exchange; without memory the transport ends, which tells enough. */
void lwsn_exchange_tell(lwsn_exchange *x, lwsn_record_kind kind, uint32_t detail, const void *payload, size_t size);

/** A record about it, to be filled and told. */
lwsn_record lwsn_exchange_record(const lwsn_exchange *x, lwsn_record_kind kind, uint32_t detail);

/** The end of the exchange, but not of the transport; where REQUEST was told. */
void lwsn_exchange_tell_gone(lwsn_exchange *x, enum lwsn_gone how);

/** The end of both. */
void lwsn_exchange_tell_end(lwsn_exchange *x);

/** What came of an answer is told, once, before why no more does: its status may be there. */
void lwsn_exchange_tell_cut_answer(lwsn_exchange *x);

/** Frees what there is of a head. */
void lwsn_exchange_free_head(lwsn_exchange *x);

/** `left`: tells whoever still waits, frees what it holds. Idempotent. */
void lwsn_exchange_closed(lwsn_exchange *x);

/** The response is complete: the next request, or the end of the transport. */
void lwsn_exchange_finish(lwsn_exchange *x, bool keep_alive);

/** Whether input would be parsed now. */
bool lwsn_exchange_wants_input(const lwsn_exchange *x);

/** The body of the present response ends with the connection. */
void lwsn_exchange_until_end(lwsn_exchange *x);

/**
 * The peer's FIN came and nothing of its input is left to parse. What was answered goes out, then the transport ends;
 * a request whose body is cut is told so.
 */
void lwsn_exchange_input_used(lwsn_exchange *x);

/** More of a response is about to be sent. */
void lwsn_exchange_written(lwsn_exchange *x);

#endif
