#ifndef LWSN_TRANSPORT_H
#define LWSN_TRANSPORT_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/handle.h"
#include "base/list.h"
#include "base/wheel.h"
#include "crossing/inbound.h"
#include "lws/loop.h"
#include "net/send.h"

struct lwsn_context;
struct lwsn_server;
struct lwsn_exchange;
struct lwsn_connection;
struct lwsn_tls;
struct lwsn_proxy;
struct lwsn_introduction;

/** Address of a peer as it goes to the other side: family 4, 6 or 0 (unix), port, then the bytes. */
typedef struct lwsn_peer {
  uint8_t family;
  uint8_t pad;
  uint16_t port;
  uint8_t address[16];
} lwsn_peer;

/**
 * One network connection, from accept to closed socket. Owned by its wsi (as
 * opaque_user_data), freed in WSI_DESTROY and nowhere else. It carries one
 * HTTP exchange after the other, then perhaps one connection.
 */
typedef struct lwsn_transport {
  struct lwsn_context *context;
  struct lwsn_server *server;
  struct lws *wsi;
  lwsn_watch *watch;
  lwsn_handle handle;
  lwsn_node in_server;
  lwsn_node in_stalled;                   /* of what goes on after the batch: left input, or the news of an end */
  lwsn_node in_doomed;                    /* to be killed at the end of the current uv callback */
  lwsn_timer timer;                       /* handshake, body, idle, ping and close, one at a time */
  struct lwsn_exchange *exchange;         /* while it speaks HTTP: lws's per-session memory */
  struct lwsn_connection *connection;     /* while it speaks WebSocket: lws's per-session memory */
  struct lwsn_tls *tls;                   /* NULL: plain */
  struct lwsn_proxy *proxy;               /* while the header of the PROXY protocol is awaited */
  struct lwsn_introduction *introduction; /* while the other side does not know its connection; malloc'ed */
  lwsn_queue queue;
  char *host;       /* of a client: the name to ask for and to verify; malloc'ed */
  const char *why;  /* static text: what ended it, where no connection can tell */
  int error;        /* of a client's handshake: what the system said of the network connection, 0: nothing */
  uint8_t *backlog; /* input that nobody could take yet, at most what one read brought; malloc'ed, freed when taken */
  uint32_t backlog_size;
  uint32_t backlog_plain;       /* its first bytes that are plain; those behind are encrypted */
  uint32_t out_first, out_last; /* what this flush sends, see outbound.c */
  uint32_t subscriptions;       /* the first of its connection's, 0: none */
  uint64_t last_input;          /* served time (lwsn_loop_now) */
  uint64_t last_output;         /* served time at which the socket last took queued bytes */
  lwsn_peer peer;
  bool doomed;     /* no input, no output, killed when lws is off the stack */
  bool ending;     /* FIN follows the queue; input is discarded until the peer's FIN */
  bool peer_first; /* while ending: the peer's FIN comes before ours */
  bool fin_sent;
  bool input_ended; /* the peer sent FIN, in order */
  bool paused;      /* by the other side */
  bool peer_left;   /* noticed while input was held */
  bool proxy_tls;   /* the PROXY protocol told that the client spoke TLS */
  bool adopted;     /* a server's, made by somebody else: TLS, if any, is behind it */
  bool client;      /* we asked: the peer is the server */
  bool counted;     /* among its address's transports */
  bool over_limit;  /* refused with 503 */
  bool wants_writable;
  bool looked;           /* its timer waits for what lay in the socket when it was due */
  bool starved;          /* input was announced, and there was no room to read it */
  bool promised;         /* its last record is still to come, and has its room */
  uint32_t accept_flags; /* lwsn_connection_flag, from accept to ESTABLISHED */
} lwsn_transport;

/** Makes the transport of an accepted descriptor. NULL: no memory or no slot; the caller closes the descriptor. */
lwsn_transport *lwsn_transport_create(struct lwsn_server *server, const struct sockaddr_storage *peer);

/**
 * Gives the descriptor and the transport to lws, which owns both from now on.
 * False: both are gone. Ends in RAW_ADOPT, or in WSI_DESTROY.
 */
bool lwsn_transport_adopt(lwsn_transport *t, int fd);

/**
 * Tells how it ended, once: what it tells afterwards is left out. The record is
 * never lost; its payload is, without memory.
 */
void lwsn_transport_tell_last(lwsn_transport *t, lwsn_record *record, const void *payload, size_t size);

/** Counts it for its peer's address, where that is limited. False: no memory. */
bool lwsn_transport_count(lwsn_transport *t);

/** Takes that back; does nothing when it was not counted. */
void lwsn_transport_uncount(lwsn_transport *t);

/** Frees it, in WSI_DESTROY, or when lws never took it in. */
void lwsn_transport_free(lwsn_transport *t);

/**
 * Dooms the transport. It is closed by lwsn_transport_reap, never under the
 * feet of the caller: lws must not be on the stack for it (facts 1.3).
 */
void lwsn_transport_kill(lwsn_transport *t);

/** Closes what is doomed. Called at the end of each uv callback and of each call from outside. */
void lwsn_transport_reap(struct lwsn_context *context);

/** Sends FIN behind the queue, then waits for the peer's, discarding input, for at most closeTimeout. */
void lwsn_transport_end(lwsn_transport *t);

/** The same with the peer's FIN first (RFC 6455 7.1.1: a client leaves the end of TCP to the server). */
void lwsn_transport_await_end(lwsn_transport *t);

/** The peer sent FIN: nothing is read any more. Where it had to come first, ours follows; after both, the end. */
void lwsn_transport_input_ended(lwsn_transport *t);

/** The queue ran empty: FIN if one is due, and the news for whoever waits for it. */
void lwsn_transport_drained(lwsn_transport *t);

/** Holds or resumes input at the request of the other side. */
void lwsn_transport_pause(lwsn_transport *t, bool paused);

/**
 * Settles what happens to input, after whatever may have changed that: a transport is held, by a pause or by what it
 * waits for, or it reads; while it has a backlog and is not held, it waits its turn among the stalled ones.
 */
void lwsn_transport_update_hold(lwsn_transport *t);

/** Keeps plain input for later, behind what is kept already; false: no memory. */
bool lwsn_transport_keep(lwsn_transport *t, const uint8_t *data, size_t size);

/** The same for encrypted input, which ends the transport when there is no memory. */
void lwsn_transport_keep_encrypted(lwsn_transport *t, const uint8_t *data, size_t size);

/** Queues the transport to go on after the batch, behind those that wait already; it keeps a place it has. */
void lwsn_transport_stall(lwsn_transport *t);

/** Queues it to be told of its connection's end behind the batches that hold records of it; no input of it is taken any more. */
void lwsn_transport_leave(lwsn_transport *t);

/**
 * The close timer fired: whether the peer is still taking what waits for it. Then
 * the timer runs on, since closeTimeout begins when the last byte has left.
 */
bool lwsn_transport_is_taking(lwsn_transport *t, void (*fire)(lwsn_timer *));

/**
 * A timer of the peer fired: whether something of it lies in the socket. Then the timer gives it one more turn, once:
 * nobody is late with what we have not looked at.
 */
bool lwsn_transport_is_heard(lwsn_transport *t, void (*fire)(lwsn_timer *));

/** Arms the one timer `ms` from now with `fire`; 0 turns it off. */
void lwsn_transport_arm(lwsn_transport *t, uint64_t ms, void (*fire)(lwsn_timer *));

/** Input from the socket, in whatever pieces. */
void lwsn_transport_input(lwsn_transport *t, const uint8_t *data, size_t size);

/** Input behind the header of the PROXY protocol, if any: TLS or plain. */
void lwsn_transport_begun_input(lwsn_transport *t, const uint8_t *data, size_t size);

/** Decrypted input, or input of a plain transport. */
void lwsn_transport_plain_input(lwsn_transport *t, const uint8_t *data, size_t size);

/** Goes on with whatever input was kept. */
void lwsn_transport_resume(lwsn_transport *t);

/** Its turn in that queue: kept input first, then what it could not be read for lack of room. */
void lwsn_transport_visit(lwsn_transport *t);

/** Whether the parser would take input now. */
bool lwsn_transport_wants_input(const lwsn_transport *t);

/** TLS told that the peer sends nothing more. */
void lwsn_transport_peer_finished(lwsn_transport *t);

/** The TLS handshake is done. */
void lwsn_transport_secured(lwsn_transport *t);

/** The system reports an error of the socket: a client that shakes hands keeps it for its last record. */
void lwsn_transport_take_error(lwsn_transport *t, int fd);

/** Ends it at once; `why` is static text for whoever is told. */
void lwsn_transport_failed(lwsn_transport *t, const char *why);

/** Its socket failed, which no read can tell. */
void lwsn_transport_lost(lwsn_transport *t);

/**
 * Whether input has ended while something of an HTTP exchange waits to be written or parsed: the transport takes note of
 * it then, and ends by itself behind what waits. Else lws may read on, and closes where input ends.
 */
bool lwsn_transport_takes_end(lwsn_transport *t);

/** The peer left while input was held. */
void lwsn_transport_peer_left(lwsn_transport *t);

#endif
