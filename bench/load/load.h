#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "accept.h"
#include "deflate.h"
#include "frame.h"
#include "measure.h"
#include "options.h"
#include "payload.h"
#include "stream.h"

#define READ_SIZE (256u << 10)
#define RESPONSE_MAX 2048u
#define CONTROL_MAX 125u

struct load;

enum conn_state { CONN_NONE, CONN_CONNECTING, CONN_SECURING, CONN_UPGRADING, CONN_OPEN, CONN_CLOSING };

struct conn {
  struct stream stream;
  uint32_t index;
  enum conn_state state;
  bool wants_write, close_seen;
  char key[KEY_SIZE];
  char *response; /* the upgrade response, or request, so far, while it is read */
  size_t response_length;
  struct frame_head head;
  bool in_payload, in_message, in_compressed;
  uint64_t frame_left, message_at; /* bytes to come of the frame; bytes had of the message */
  uint8_t control[CONTROL_MAX];
  uint8_t *packed; /* the compressed message so far */
  uint8_t *out;    /* bytes out_from to out_to wait to be sent */
  size_t out_from, out_to, out_size;
  uint64_t began;          /* when connect was called */
  uint64_t sent, received; /* whole messages */
  uint64_t *sent_at;       /* ring of `depth` times */
  uint64_t due;            /* mixed: when a quiet one sends again; 0: it does not wait */
};

/* What a mode does with a connection. Each answers false after load_fail. */
struct work {
  bool (*start)(struct load *load);                                                         /* traffic may begin */
  bool (*opened)(struct load *load, struct conn *conn);                                     /* upgraded */
  bool (*chunk)(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length); /* part of a message */
  bool (*message)(struct load *load, struct conn *conn);                                    /* its last byte came */
  bool (*settled)(struct load *load, struct conn *conn); /* all that one read brought was handled */
  bool (*ended)(struct load *load, struct conn *conn);   /* closed in order, after our close frame */
  bool (*tick)(struct load *load, uint64_t now);         /* after each look at the sockets; NULL: nothing to do */
};

struct load {
  struct load_options options;
  struct payload payload;
  const struct work *work;
  int epoll;
  int listener;      /* -1: we connect */
  uint32_t accepted; /* by the listener */
  struct ssl_ctx_st *tls;
  struct deflate *deflate;
  struct conn *conns;
  uint32_t opening, open;
  bool sending;       /* false: what is in flight still counts, nothing new is sent */
  uint64_t in_flight; /* messages (connect: connections) that have yet to come back */
  uint64_t verified;
  uint64_t read_at; /* when the last read returned */
  struct histogram times;
  uint8_t *read_buffer;
  uint64_t random;
  struct broadcast *broadcast;
  struct mixed *mixed;
  char failure[256];
};

/* Keeps the first failure; always false. */
bool load_fail(struct load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t load_random(struct load *load);

bool conn_open(struct load *load, struct conn *conn);
bool conn_accept(struct load *load, struct conn *conn, int fd); /* one that connected to us */
void conn_close(struct load *load, struct conn *conn);
void conn_free(struct conn *conn);
bool conn_event(struct load *load, struct conn *conn, uint32_t events);

/* Queues one message, compressed where that was agreed. */
bool conn_send(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length);

/* Queues one frame, masked unless we are the server; conn_flush sends what is queued. */
bool conn_queue(struct load *load, struct conn *conn, uint8_t opcode, const uint8_t *bytes, size_t length);
bool conn_flush(struct load *load, struct conn *conn);

/* receive.c: takes the bytes that conn.c read, and may change them. */
bool receive_bytes(struct load *load, struct conn *conn, uint8_t *bytes, size_t length);

/* listen.c: waits for those who connect; prints the port. */
bool listen_begin(struct load *load);
bool listen_event(struct load *load);

uint8_t load_opcode(const struct load *load);

extern const struct work echo_work, broadcast_work, connect_work, mixed_work;

/* echo.c: parts of the modes whose messages come back to their sender. */
bool echo_send(struct load *load, struct conn *conn, uint64_t count);
bool echo_opened(struct load *load, struct conn *conn);
bool echo_chunk(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length);
bool echo_take(struct load *load, struct conn *conn, uint64_t *took); /* a whole message came back after so long */

bool broadcast_init(struct load *load);
void broadcast_free(struct load *load);

bool mixed_init(struct load *load);
void mixed_free(struct load *load);

#endif
