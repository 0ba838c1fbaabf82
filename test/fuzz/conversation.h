/*
 * One transport of the core and its far end, a socket pair. The context, its server and the world around them are
 * made once per process; a conversation begins with a new transport and ends with nothing left of it.
 *
 * Throughout, the records must follow the order of a life (life.h) and keep to the limits, what the transport sends
 * must be well-formed HTTP and frames, and at the end nothing may wait, be queued, open or listed.
 */
#ifndef LWSN_FUZZ_CONVERSATION_H
#define LWSN_FUZZ_CONVERSATION_H

#include "peer.h"
#include "target.h"

typedef struct conversation_settings {
  bool client;    /* of the transport: we ask */
  bool upgraded;  /* begins as a WebSocket */
  bool proxied;   /* a server's: a header of the PROXY protocol is expected */
  bool alone;     /* the core accepts upgrades by itself */
  bool accepts;   /* the other side accepts every upgrade, or answer, at once */
  bool echoes;    /* sends every message back */
  bool narrow;    /* sockets with the smallest buffers */
  uint32_t flags; /* lwsn_connection_flag */
  double max_payload;
} conversation_settings;

typedef struct conversation {
  conversation_settings settings;
  world *world;
  lwsn_handle handle;
  int fd;             /* of the far end; -1 once closed */
  bool reads;         /* the far end reads what comes */
  bool open, closing; /* told */
  bool held;          /* an upgrade or an answer waits for its acceptance */
  bool switched;      /* the 101 was seen, or sent */
  bool close_seen;    /* the transport sent a close frame */
  unsigned code_sent; /* its code; 0: none */
  bool in_message;    /* between the first and the final fragment */
  uint64_t message;   /* bytes of it told so far */
} conversation;

void conversation_begin(conversation *c, const conversation_settings *settings);

/* Sends bytes from the far end, as far as its socket takes them, and lets the loop turn. */
void conversation_send(conversation *c, const uint8_t *data, size_t size);

/* One turn of the loop; then what came at the far end is judged. */
void conversation_turn(conversation *c);

/* FIN from the far end. */
void conversation_finish(conversation *c);

/* The far end goes away, the transport is ended if that does not end it, and what is left is judged. */
void conversation_end(conversation *c);

/* The settings that two bytes ask for; the rest is zero. */
conversation_settings conversation_settings_of(fuzz_input *in);

/* A length that one byte asks for: up to 223, or a multiple of 256; 0: all that is left. */
size_t conversation_length(fuzz_input *in);

#endif
