/* HTTP and RFC 6455 by hand, on the client's side. */
#ifndef LWSN_TEST_WIRE_H
#define LWSN_TEST_WIRE_H

#include "peer.h"

enum { WIRE_TEXT = 0x81, WIRE_BINARY = 0x82, WIRE_CLOSE = 0x88, WIRE_PING = 0x89, WIRE_PONG = 0x8a };
enum { WIRE_HEADER_MAX = 14 };

/* The upgrade request of every test, and the answer to its key (RFC 6455 1.3). */
#define WIRE_UPGRADE \
  "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define WIRE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define WIRE_GET "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* What a server answered. `head` and `body` are valid until the peer receives again. */
typedef struct response {
  int status;
  const char *head;
  size_t head_size;
  const char *body;
  size_t body_size;
} response;

/* Takes the next whole response (100 and 101 have no body); false while it is not there. */
bool wire_response(peer *p, response *r);

/* Whether a line stands in the head, as in wire_has(&r, "Connection: close"). */
bool wire_has(const response *r, const char *line);

/* A frame the server sent. `data` is valid until the peer receives again. */
typedef struct frame {
  unsigned first; /* FIN, RSV and opcode */
  const uint8_t *data;
  size_t size;
} frame;

/* Takes the next whole frame. One that is masked or not minimally encoded is a violation of the world. */
bool wire_next(peer *p, frame *f);

/* Code of a close frame, 0 if it has none. */
unsigned wire_code(const frame *f);

/* Builds a masked frame; `to` has room for WIRE_HEADER_MAX more than `size`. Returns its length. */
size_t wire_frame(uint8_t *to, unsigned first, const void *data, size_t size);

/* Sends a masked frame. */
void wire_send(peer *p, unsigned first, const void *data, size_t size);
void wire_text(peer *p, const char *text);
void wire_close(peer *p, unsigned code, const char *reason);

/*
 * Upgrades and waits for OPEN and the 101, in a world that `accepts`. `handle` may be NULL.
 */
void wire_upgrade(peer *p, lwsn_handle *handle);

/* A new peer, upgraded. */
peer *wire_open(world *w, lwsn_handle *handle);

/* The same bytes in every run. */
uint32_t wire_random(void);
void wire_fill(uint8_t *data, size_t size);

#endif
