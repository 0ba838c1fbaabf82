#ifndef LWSN_TRANSPORT_H
#define LWSN_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/handle.h"
#include "base/list.h"
#include "base/wheel.h"
#include "crossing/inbound.h"
#include "crossing/request.h"
#include "net/queue.h"
#include "net/services.h"

struct lwsn_server;
struct lwsn_exchange;
struct lwsn_connection;
struct lwsn_tls;
struct lwsn_proxy;
struct lwsn_introduction;

/**
 * What a transport speaks: filled by the room that does, and chosen at adoption and
 * at promotion. Each of them may doom the transport.
 */
typedef struct lwsn_speech {
  /** Input, in whatever pieces, decrypted. What cannot be taken now is kept (lwsn_transport_keep). */
  void (*input)(struct lwsn_transport *t, const uint8_t *data, size_t size);
  /** Whether input would be taken now. */
  bool (*wants_input)(const struct lwsn_transport *t);
  /** Whether no input is wanted at all: the socket is not even watched for it. */
  bool (*holds)(const struct lwsn_transport *t);
  /**
   * Where decrypted input is wanted, so that it is shown without a copy: `room` bytes, filled in pieces of at most
   * `piece`. Ends with lwsn_inbound_landed. NULL: anywhere else.
   */
  uint8_t *(*land)(const struct lwsn_transport *t, size_t piece, size_t *room);
  /** Its turn among the stalled ones, before its backlog. */
  void (*resume)(struct lwsn_transport *t);
  /** The header of the PROXY protocol has come. */
  void (*begin)(struct lwsn_transport *t);
  /** The TLS handshake is done. */
  void (*secured)(struct lwsn_transport *t);
  /** The native queue ran empty. */
  void (*drained)(struct lwsn_transport *t);
  /** TLS told that the peer sends nothing more. */
  void (*peer_finished)(struct lwsn_transport *t);
  /** The peer left while input was held. */
  void (*peer_left)(struct lwsn_transport *t);
  /** Its socket failed, which no read can tell. */
  void (*lost)(struct lwsn_transport *t);
  /** It ends at once; `why` is static text for whoever is told. */
  void (*drop)(struct lwsn_transport *t, const char *why);
  /** The server closes: it ends when idle, else when it can. */
  void (*drain)(struct lwsn_transport *t);
  /** Whether an end that is no RST would make half a response look whole. */
  bool (*is_cut)(const struct lwsn_transport *t);
  /**
   * The peer's FIN came and nothing of its input is left to parse: what was answered goes out, then the transport ends.
   * Only of one in the raw role.
   */
  void (*input_used)(struct lwsn_transport *t);
  /** lws reads for it, in its raw role, and closes where input ends; an error of the socket is its last record's to tell. */
  bool raw;
} lwsn_speech;

/** Of a transport before adoption, during promotion and after its end: takes nothing, does nothing. */
extern const lwsn_speech lwsn_silence;

/**
 * One network connection, from accept to closed socket. Owned by its wsi, freed in `destroyed` (lws/door.h) and nowhere else. It carries one
 * HTTP exchange after the other, then perhaps one connection.
 */
typedef struct lwsn_transport {
  lwsn_services *services;
  struct lwsn_server *server;
  const lwsn_speech *speech;
  lwsn_wsi *wsi;
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
  uint32_t out_first, out_last; /* what this flush sends, see chain.h */
  uint32_t subscriptions;       /* the first of its connection's, 0: none */
  uint64_t last_input;          /* served time */
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

/**
 * Tells how it ended, once: what it tells afterwards is left out. The record is
 * never lost; its payload is, without memory.
 */
void lwsn_transport_tell_last(lwsn_transport *t, lwsn_record *record, const void *payload, size_t size);

/**
 * Dooms the transport. It is closed by lwsn_transport_reap, never under the
 * feet of the caller: lws must not be on the stack for it (facts 1.3).
 */
void lwsn_transport_kill(lwsn_transport *t);

/** Closes what is doomed. Called at the end of each uv callback and of each call from outside. */
void lwsn_transport_reap(lwsn_services *services);

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

/** Ends it at once; `why` is static text for whoever is told. */
void lwsn_transport_failed(lwsn_transport *t, const char *why);

/** Whether input would be taken now: by what it speaks, and with nothing before it. */
static inline bool lwsn_transport_wants_input(const lwsn_transport *t) {
  return !t->backlog && !t->doomed && !t->ending && t->speech->wants_input(t);
}

/** Its connection is about to end, or to close: it leaves its topics. */
static inline void lwsn_transport_unsubscribe(lwsn_transport *t) {
  if (t->subscriptions) t->services->above->unsubscribe(t);
}

#endif
