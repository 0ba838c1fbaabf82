#ifndef LWSN_CONNECTION_H
#define LWSN_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"
#include "websocket/incoming.h"
#include "wire/deflate.h"

/**
 * Modes of a connection, chosen at accept; part of the surface to lib/crossing/native.ts.
 * With DEFLATE the bits above it are the negotiated parameters, see
 * lwsn_connection_established.
 */
enum lwsn_connection_flag {
  LWSN_CONNECTION_FRAGMENTS = 1, /* deliver pieces, do not assemble */
  LWSN_CONNECTION_TRANSIENT = 2, /* binary payloads live for one batch */
  LWSN_CONNECTION_PONGS = 4,     /* tell pongs */
  LWSN_CONNECTION_DEFLATE = 8,
  LWSN_CONNECTION_OWN_TAKEOVER = 16,
  LWSN_CONNECTION_PEER_TAKEOVER = 32,
  LWSN_CONNECTION_OWN_WINDOW = 8,   /* shift: 4 bits */
  LWSN_CONNECTION_PEER_WINDOW = 12, /* shift: 4 bits */
  LWSN_CONNECTION_LEVEL = 16,       /* shift: 4 bits */
  LWSN_CONNECTION_MEM_LEVEL = 20,   /* shift: 4 bits */
};

/** Close codes we send ourselves (RFC 6455 7.4.1 and the IANA registry). */
enum lwsn_close_code {
  LWSN_CLOSE_PROTOCOL_ERROR = 1002,
  LWSN_CLOSE_NO_STATUS = 1005,
  LWSN_CLOSE_ABNORMAL = 1006,
  LWSN_CLOSE_INVALID_DATA = 1007,
  LWSN_CLOSE_TOO_BIG = 1009,
  LWSN_CLOSE_INTERNAL = 1011,
  LWSN_CLOSE_TRY_AGAIN = 1013,
};

typedef enum lwsn_connection_state {
  LWSN_CONNECTION_NEW, /* bound, not established: nobody was told */
  LWSN_CONNECTION_OPEN,
  LWSN_CONNECTION_LEAVING, /* CLOSING is told: what is sent goes out until the other side answers it */
  LWSN_CONNECTION_CLOSING, /* our half of the end is written: nothing is sent any more */
  LWSN_CONNECTION_DEAD,
} lwsn_connection_state;

/**
 * One WebSocket: lws's memory of the ws role (lws/door.h), zeroed at the promotion
 * and freed by lws after CLOSED (facts 1.2). OPEN is told once, CLOSED once, and
 * only if OPEN was (facts 1.4).
 */
typedef struct lwsn_connection {
  lwsn_transport *transport;
  lwsn_connection_state state;
  bool client; /* we are: our frames are masked, the peer's are not (RFC 6455 5.1) */
  bool fragments, transient, pongs;
  lwsn_deflate *deflate; /* NULL: not negotiated */
  bool close_sent, close_received;
  bool failed;        /* RFC 6455 7.1.7: input is not looked at any more */
  bool ended;         /* the peer ended its direction: FIN, or close_notify of TLS */
  uint64_t pinged_at; /* served time of our latest ping; 0: none */
  uint64_t told;      /* the place behind its last record (lwsn_inbound_end) */
  uint16_t code;      /* as received, or what the connection failed with; 0: none */
  uint8_t reason_size;
  uint8_t *reason; /* as received; malloc'ed */
  const char *why; /* told when no close frame came: static text */
  uint8_t *pong;   /* the latest ping that could not be answered yet: size, then payload; malloc'ed */
  lwsn_receive rx;
} lwsn_connection;

/** ESTABLISHED, with the lwsn_connection_flag bits of the acceptance. False: no memory. */
bool lwsn_connection_established(lwsn_connection *c, lwsn_transport *t, uint32_t flags);

/** CLOSED: tells the other side, frees what the connection holds. Idempotent. */
void lwsn_connection_closed(lwsn_connection *c);

/** Whether frames other than close may still be sent. */
bool lwsn_connection_may_send(const lwsn_connection *c);

/** Whether nothing of the peer's is parsed any more: it closed, failed, or ended its direction. */
static inline bool lwsn_connection_is_deaf(const lwsn_connection *c) {
  return c->close_received || c->failed || c->ended;
}

/** Our masks, where our frames are masked. */
static inline lwsn_mask_source *lwsn_connection_masks(const lwsn_connection *c) {
  return c->client ? &c->transport->services->masks : NULL;
}

/** No message is read any more: frees what reading them holds. */
void lwsn_connection_stop_reading(lwsn_connection *c);

/** Starts the close handshake; `payload` is code and reason, or empty. Later calls do nothing. */
void lwsn_connection_close(lwsn_connection *c, const uint8_t *payload, size_t size);

/**
 * Our half of an end that the peer began, behind everything that was sent: a close frame, where the peer sent one or
 * failed, then FIN. Of a connection that the other side knows it is the other side who asks for it, by answering
 * CLOSING: only it knows what is still to be sent.
 */
void lwsn_connection_answer(lwsn_connection *c);

/** No record of it waits any more: CLOSING goes with the next batch. False: one waits. */
bool lwsn_connection_tell_closing(lwsn_connection *c);

/** Fails the connection (RFC 6455 7.1.7): close frame with `code`, then FIN. `why` is static text. */
void lwsn_connection_fail(lwsn_connection *c, unsigned code, const char *why) __attribute__((cold));

/** More does not fit its backpressure: the other side is told to close it. */
void lwsn_connection_overflow(lwsn_connection *c);

/** Ends it without a close frame; `why` is static text that CLOSED tells. */
void lwsn_connection_drop(lwsn_connection *c, const char *why);

/** The peer's close frame, checked: code 1005 when it had none. */
void lwsn_connection_peer_closed(lwsn_connection *c, unsigned code, const uint8_t *reason, size_t size);

/** A ping: answered now, or with its latest successor when the socket is full. */
void lwsn_connection_answer_ping(lwsn_connection *c, const uint8_t *payload, size_t size);

/** An empty ping of our own. */
void lwsn_connection_ping(lwsn_connection *c);

/** End of input. `failed`: the socket reported an error, which ends the connection at once. */
void lwsn_connection_input_ended(lwsn_connection *c, bool failed);

/** The peer will send nothing more, although TCP goes on: close_notify of TLS. */
void lwsn_connection_peer_finished(lwsn_connection *c);

/** WRITABLE once, as soon as the socket takes more. */
void lwsn_connection_want_writable(lwsn_connection *c);

/** The native queue ran empty: what waited for that is sent and told. */
void lwsn_connection_drained(lwsn_connection *c);

#endif
