#include "websocket/receive.h"

#include <stdlib.h>
#include <string.h>

#include "base/sanitize.h"
#include "net/input.h"
#include "net/tls.h"
#include "websocket/message.h"
#include "websocket/short.h"
#include "wire/frame.h"
#include "wire/mask.h"

typedef struct inbound_mark {
  uint32_t count;
  size_t bytes;
} inbound_mark;

enum {
  VISIT_RECORDS = LWSN_RING_RECORDS / 4, /* what one connection may add to a batch before others have their turn */
  VISIT_BYTES = 1024 * 1024,
};

static void fail(lwsn_connection *c, unsigned code, const char *why) { lwsn_connection_fail(c, code, why); }

/* RFC 6455 7.4 and the IANA registry: what may stand in a close frame. */
static bool close_code_allowed(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void take_close(lwsn_connection *c, const uint8_t *payload, size_t size) {
  if (size == 0) {
    lwsn_connection_peer_closed(c, LWSN_CLOSE_NO_STATUS, NULL, 0);
    return;
  }
  if (size == 1) {
    fail(c, LWSN_CLOSE_PROTOCOL_ERROR, "a close frame has a body of one byte");
    return;
  }
  unsigned code = (unsigned)(payload[0] << 8 | payload[1]);
  if (!close_code_allowed(code)) {
    fail(c, LWSN_CLOSE_PROTOCOL_ERROR, "a close frame has a code that may not be sent");
    return;
  }
  lwsn_utf8 utf8;
  if (!lwsn_utf8_whole(&utf8, payload + 2, size - 2)) {
    fail(c, LWSN_CLOSE_INVALID_DATA, "the reason of a close frame is not valid UTF-8");
    return;
  }
  lwsn_connection_peer_closed(c, code, payload + 2, size - 2);
}

static void take_control(lwsn_connection *c, const uint8_t *masked, size_t size) {
  uint8_t payload[LWSN_CONTROL_MAX];
  lwsn_unmask(payload, masked, size, c->rx.mask, 0);
  if (c->rx.opcode == LWSN_OP_CLOSE)
    take_close(c, payload, size);
  else if (c->rx.opcode == LWSN_OP_PING)
    lwsn_connection_answer_ping(c, payload, size);
  else
    lwsn_message_pong(c, payload, size);
}

static bool control_piece(lwsn_connection *c, const uint8_t *payload, size_t size) {
  lwsn_receive *rx = &c->rx;
  if (!rx->control && !(rx->control = malloc(LWSN_CONTROL_MAX))) {
    fail(c, LWSN_CLOSE_INTERNAL, "no memory for a control frame");
    return false;
  }
  memcpy(rx->control + rx->control_size, payload, size);
  rx->control_size = (uint8_t)(rx->control_size + size);
  return true;
}

/* The rules of RFC 6455 5.2, 5.4 and 5.5 that the first two bytes decide. */
static const char *check_start(const lwsn_connection *c, uint8_t first, uint8_t second) {
  const lwsn_receive *rx = &c->rx;
  uint8_t opcode = first & 0x0f;
  bool fin = (first & 0x80) != 0;
  /* RFC 7692 6: RSV1 only on the first frame of a message, and only when negotiated */
  bool may_compress = c->deflate && (opcode == LWSN_OP_TEXT || opcode == LWSN_OP_BINARY);
  if (first & (may_compress ? 0x30 : 0x70)) return "a reserved bit is set";
  if (!(second & 0x80) != c->client) return c->client ? "a frame of the server is masked" : "a frame is not masked";
  if (opcode > LWSN_OP_PONG || (opcode > LWSN_OP_BINARY && opcode < LWSN_OP_CLOSE))
    return "a frame has a reserved opcode";
  if (opcode >= LWSN_OP_CLOSE) {
    if (!fin) return "a control frame is fragmented";
    return (second & 0x7f) > LWSN_CONTROL_MAX ? "a control frame is longer than 125 bytes" : NULL;
  }
  if (opcode == LWSN_OP_CONTINUATION) return rx->message ? NULL : "a continuation frame without a message";
  return rx->message ? "a new message starts inside a fragmented one" : NULL;
}

static size_t header_length(uint8_t second) {
  uint8_t length = second & 0x7f;
  size_t mask = second & 0x80 ? 4 : 0;
  return mask + (length < 126 ? 2u : length == 126 ? 4u : 10u);
}

/* The mask ends the header, of `size` bytes; a server's frame has none. */
static void take_mask(lwsn_connection *c, const uint8_t *header, size_t size) {
  if (c->client)
    memset(c->rx.mask, 0, 4);
  else
    memcpy(c->rx.mask, header + size - 4, 4);
}

/* Reads a whole header of `size` bytes; false: the connection failed. */
static bool begin_frame(lwsn_connection *c, const uint8_t *h, size_t size) {
  lwsn_receive *rx = &c->rx;
  uint64_t length = h[1] & 0x7f;
  if (length == 126) {
    length = (uint64_t)h[2] << 8 | h[3];
    if (length < 126) {
      fail(c, LWSN_CLOSE_PROTOCOL_ERROR, "a frame length is not encoded minimally");
      return false;
    }
  } else if (length == 127) {
    length = 0;
    for (int i = 2; i < 10; i++) length = length << 8 | h[i];
    if (length <= UINT16_MAX || length >> 63) {
      fail(c, LWSN_CLOSE_PROTOCOL_ERROR,
           length >> 63 ? "a frame length has its first bit set" : "a frame length is not encoded minimally");
      return false;
    }
  }
  take_mask(c, h, size);
  rx->opcode = h[0] & 0x0f;
  rx->fin = (h[0] & 0x80) != 0;
  rx->frame_left = length;
  rx->phase = 0;
  rx->in_payload = true;
  if (rx->opcode >= LWSN_OP_CLOSE) {
    rx->control_size = 0;
    return true;
  }
  if (rx->opcode != LWSN_OP_CONTINUATION) {
    rx->message_size = 0;
    rx->streamed = 0;
    rx->told_first = false;
    rx->compressed = (h[0] & 0x40) != 0;
  }
  if (rx->compressed) return true; /* only inflating tells its size */
  double total = (double)length + (double)rx->message_size + (double)rx->streamed;
  if (total > lwsn_message_limit(c) && lwsn_message_wanted(c)) {
    fail(c, LWSN_CLOSE_TOO_BIG, "a message is larger than maxPayload");
    return false;
  }
  return true;
}

/* From the first bytes of a frame: whole header, or what there is of it. Returns bytes used. */
static size_t take_header(lwsn_connection *c, const uint8_t *data, size_t size) {
  lwsn_receive *rx = &c->rx;
  size_t used = 0;
  const uint8_t *h = data;
  if (rx->header_size > 0 || size < 2 || size < header_length(data[1])) {
    h = rx->header;
    while (rx->header_size < 2 && used < size) rx->header[rx->header_size++] = data[used++];
    if (rx->header_size < 2) return used;
  }
  const char *wrong = check_start(c, h[0], h[1]);
  if (wrong) {
    fail(c, LWSN_CLOSE_PROTOCOL_ERROR, wrong);
    return used;
  }
  size_t length = header_length(h[1]);
  if (h == data) {
    begin_frame(c, h, length);
    return length;
  }
  while (rx->header_size < length && used < size) rx->header[rx->header_size++] = data[used++];
  if (rx->header_size == length) {
    rx->header_size = 0;
    begin_frame(c, h, length);
  }
  return used;
}

/* The payload there is of the current frame. Returns bytes used. */
static size_t take_payload(lwsn_connection *c, const uint8_t *data, size_t size) {
  lwsn_receive *rx = &c->rx;
  size_t n = size < rx->frame_left ? size : (size_t)rx->frame_left;
  bool whole = rx->phase == 0 && n == rx->frame_left;
  bool ends = n == rx->frame_left;
  if (rx->opcode >= LWSN_OP_CLOSE) {
    if (!whole && !control_piece(c, data, n)) return n;
    rx->frame_left -= n;
    rx->phase += n;
    if (!ends) return n;
    rx->in_payload = false;
    take_control(c, whole ? data : rx->control, whole ? n : rx->control_size);
    free(rx->control);
    rx->control = NULL;
    return n;
  }
  bool starts = rx->phase == 0 && rx->opcode != LWSN_OP_CONTINUATION && rx->message == 0;
  if (whole && starts && rx->fin && !c->fragments && !rx->compressed) {
    rx->frame_left = 0;
    rx->in_payload = false;
    lwsn_message_whole(c, data, n);
    return n;
  }
  if (starts) {
    rx->message = rx->opcode;
    lwsn_utf8_reset(&rx->utf8);
  }
  if (lwsn_message_wanted(c)) lwsn_message_piece(c, data, n, ends && rx->fin);
  rx->frame_left -= n;
  rx->phase += n;
  if (!ends || c->failed) return n;
  rx->in_payload = false;
  if (rx->fin) lwsn_message_end(c);
  return n;
}

bool lwsn_receive_may_go_on(const lwsn_connection *c) {
  const lwsn_transport *t = c->transport;
  if (t->doomed || lwsn_connection_is_deaf(c)) return false;
  /* after our close frame the peer's is waited for, whatever else is full or paused */
  return !lwsn_connection_may_send(c) || (!t->paused && lwsn_inbound_has_room(&t->services->inbound));
}

/* One connection's share of a batch is used up: others are waiting, or may be. */
static bool has_had_its_share(const lwsn_inbound *in, const inbound_mark *begin) {
  return in->count - begin->count >= VISIT_RECORDS || in->batch_bytes - begin->bytes >= VISIT_BYTES;
}

/* Parses until the end, a pause, a full ring, a failure, or the end of its share. Returns bytes used. */
static size_t parse(lwsn_connection *c, const uint8_t *data, size_t size) {
  const lwsn_inbound *in = &c->transport->services->inbound;
  const inbound_mark begin = {in->count, in->batch_bytes};
  size_t used = 0;
  while (lwsn_receive_may_go_on(c) && !has_had_its_share(in, &begin)) {
    lwsn_receive *rx = &c->rx;
    if (!rx->in_payload) {
      if (used == size) break;
      size_t taken = lwsn_short_run(c, data + used, size - used, VISIT_RECORDS - (in->count - begin.count));
      used += taken;
      if (taken > 0) continue;
      used += take_header(c, data + used, size - used);
      if (!rx->in_payload) continue;
    }
    if (c->failed) break;
    if (used == size && rx->frame_left > 0) break;
    used += take_payload(c, data + used, size - used);
  }
  /* what follows a close frame or a failure is not looked at (RFC 6455 5.5.1, 7.1.7) */
  return lwsn_connection_is_deaf(c) || c->transport->doomed ? size : used;
}

static void keep_rest(lwsn_connection *c, const uint8_t *data, size_t size) {
  lwsn_transport *t = c->transport;
  if (size == 0) return;
  if (!lwsn_transport_keep(t, data, size)) fail(c, LWSN_CLOSE_INTERNAL, "no memory for input");
}

void lwsn_receive_input(lwsn_connection *c, const uint8_t *data, size_t size) {
  size_t used = parse(c, data, size);
  keep_rest(c, data + used, size - used);
}

uint8_t *lwsn_receive_land(const lwsn_connection *c, size_t piece, size_t *room) {
  const lwsn_receive *rx = &c->rx;
  if (rx->message_slab && rx->in_payload && lwsn_message_wanted(c)) {
    size_t left = rx->message_capacity - rx->message_size;
    *room = left < LWSN_SCRATCH_SIZE ? left : LWSN_SCRATCH_SIZE;
    return left >= piece ? rx->message_data + rx->message_size : NULL;
  }
  if (rx->large == 0) return NULL;
  /* room for the piece that ends it, which may have another behind it */
  size_t least = rx->large + LWSN_FRAME_HEADER_MAX;
  if (piece > 1) least = (least / piece + 1) * piece;
  return lwsn_inbound_land(&c->transport->services->inbound, lwsn_message_keep(c, rx->large_opcode), least, room);
}

/* Where the next read goes. What is encrypted is decrypted to where a message will be shown. */
static uint8_t *landing_for(const lwsn_connection *c, size_t *room) {
  uint8_t *scratch = c->transport->services->scratch;
  uint8_t *at = c->transport->tls ? NULL : lwsn_receive_land(c, 1, room);
  if (at) return at;
  *room = LWSN_SCRATCH_SIZE;
  lwsn_unpoison(scratch, LWSN_SCRATCH_SIZE);
  return scratch;
}

/*
 * epoll announces ready sockets in the same order again and again: one that finds the ring full
 * each time, because of those before it, must be remembered.
 */
static void starve(lwsn_transport *t) {
  const lwsn_connection *c = t->connection;
  if (t->backlog || t->paused || lwsn_connection_is_deaf(c) || lwsn_inbound_has_room(&t->services->inbound)) return;
  t->starved = true;
  lwsn_transport_stall(t);
}

/* Past what a transport speaks, which is known here; the header of the PROXY protocol came before the upgrade. */
static void take(lwsn_connection *c, const uint8_t *data, size_t size) {
  lwsn_transport *t = c->transport;
  if (!lwsn_transport_heard(t, size)) return;
  if (t->tls)
    lwsn_tls_input(t, data, size);
  else
    lwsn_receive_input(c, data, size);
}

uint8_t *lwsn_receive_lend(lwsn_connection *c, size_t *room) {
  lwsn_transport *t = c->transport;
  if (t->doomed || t->input_ended) return NULL;
  /* level-triggered: what is not read now is announced again next turn */
  if (!t->ending) {
    lwsn_transport_resume(t);
    if (t->doomed) return NULL;
    if (!t->ending && (t->backlog || !lwsn_receive_may_go_on(c))) {
      starve(t);
      return NULL;
    }
  }
  return landing_for(c, room);
}

void lwsn_receive_came(lwsn_connection *c, const uint8_t *data, ssize_t size) {
  lwsn_services *services = c->transport->services;
  if (size > 0)
    take(c, data, (size_t)size);
  else if (size < 0)
    lwsn_connection_input_ended(c, size == -2);
  lwsn_inbound_landed(&services->inbound);
  lwsn_poison(services->scratch, LWSN_SCRATCH_SIZE);
}

void lwsn_receive_peer_left(lwsn_connection *c) {
  lwsn_transport *t = c->transport;
  if (t->doomed || t->input_ended || lwsn_connection_is_deaf(c)) return;
  if (t->backlog) return;
  ssize_t n = lwsn_wsi_peek(t->wsi);
  if (n < 0) lwsn_connection_input_ended(c, n == -2);
}
