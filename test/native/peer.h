/*
 * A raw client socket on the loop of a world. It knows nothing of HTTP and WebSocket (wire.h does): it sends
 * bytes, collects bytes, and sees how the other end goes away.
 */
#ifndef LWSN_TEST_PEER_H
#define LWSN_TEST_PEER_H

#include <sys/socket.h>

#include "world.h"

typedef struct peer {
  world *world;
  struct peer *next;
  uv_poll_t poll;
  int fd; /* -1 once closed */
  bool reading;
  bool ended;  /* FIN came */
  int error;   /* errno of a read or write that failed; ECONNRESET after RST */
  uint8_t *in; /* [in_taken, in_size) was received and not taken yet */
  size_t in_size, in_capacity, in_taken;
  uint8_t *out; /* what the socket has not taken yet */
  size_t out_size, out_done;
} peer;

/* Connects to the world's listener. Ends the program if that fails, as the others do. */
peer *peer_open(world *w);

/* Connects to another address. */
peer *peer_open_at(world *w, const struct sockaddr *address, socklen_t size);

/* The same from an address of one's own. */
peer *peer_open_from(world *w, const struct sockaddr *from, const struct sockaddr *address, socklen_t size);

/* Takes over a connected socket that does not block. */
peer *peer_take_fd(world *w, int fd);

/* 127.0.0.1 or ::1 with a port. */
peer *peer_open_port(world *w, int family, uint16_t port);
peer *peer_open_path(world *w, const char *path);

/* Sends all of it, later what the socket does not take now. */
void peer_send(peer *p, const void *data, size_t size);
void peer_say(peer *p, const char *text);

/*
 * Sends pieces of `step` bytes, each read by the server before the next leaves.
 * False: the server stopped reading.
 */
bool peer_drip(peer *p, const void *data, size_t size, size_t step);

/* Stops or goes on reading. */
void peer_read(peer *p, bool on);

/* Bytes received and not taken. */
size_t peer_waiting(const peer *p);
const uint8_t *peer_bytes(const peer *p);
void peer_take(peer *p, size_t size);

/* Ends the own direction with FIN; what still waits in `out` is lost. */
void peer_finish(peer *p);

/* RST. */
void peer_reset(peer *p);

/* FIN, and RST for whatever still comes. */
void peer_close(peer *p);

void peer_close_all(world *w);
void peer_free_all(world *w);

#endif
