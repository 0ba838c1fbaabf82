#include "websocket/message.h"

#include <stdlib.h>
#include <string.h>

#include "net/introduction.h"
#include "net/server.h"
#include "wire/deflate.h"
#include "wire/frame.h"
#include "wire/mask.h"

enum {
  ASSEMBLY_MIN = 4096,                   /* first allocation of a message that comes in pieces */
  EXPECTED_MAX = LWSN_LARGE_SLAB,        /* larger ones get memory as they come, not as they are announced */
  EXPECTED_BYTES_MAX = 64 * 1024 * 1024, /* of one environment: what is behind gets memory as it comes, too */
  BELIEVED = 16, /* an announcement counts when such a part of it has come: pool memory is resident, unlike fresh one */
};

static void fail(lwsn_connection *c, unsigned code, const char *why) { lwsn_connection_fail(c, code, why); }

/* Field by field: a record that is made aside and copied would wait for its own writes. */
static void begin_record(lwsn_record *record, const lwsn_connection *c, lwsn_record_kind kind) {
  record->kind = kind;
  record->slot = c->transport->handle.slot;
  record->generation = c->transport->handle.generation;
  record->slab = -1;
  record->offset = record->length = 0;
  record->detail = record->extra = 0;
}

bool lwsn_message_wanted(const lwsn_connection *c) { return c->state == LWSN_CONNECTION_OPEN; }

double lwsn_message_limit(const lwsn_connection *c) { return c->transport->server->options.max_payload; }

lwsn_keep lwsn_message_keep(const lwsn_connection *c, uint8_t opcode) {
  if (opcode == LWSN_OP_TEXT) return LWSN_KEEP_BATCH;
  return c->transient ? LWSN_KEEP_CALL : LWSN_KEEP_LONG;
}

static void push(lwsn_connection *c, const lwsn_record *record) {
  if (c->transport->introduction && !lwsn_introduce(c->transport))
    fail(c, LWSN_CLOSE_INTERNAL, "no memory to tell of the connection");
  else if (!lwsn_inbound_push(&c->transport->services->inbound, record))
    fail(c, LWSN_CLOSE_INTERNAL, "no memory to tell an event");
  else
    c->told = lwsn_inbound_end(&c->transport->services->inbound);
}

/* Where the record of a message is made: in the ring itself, unless something goes before it. */
static lwsn_record *record_at(const lwsn_connection *c, lwsn_record *aside) {
  lwsn_record *next = c->transport->introduction ? NULL : lwsn_inbound_next(&c->transport->services->inbound);
  if (!next) next = aside;
  begin_record(next, c, LWSN_RECORD_TEXT);
  return next;
}

static void push_message(lwsn_connection *c, lwsn_record *record, uint8_t opcode, bool ascii) {
  record->kind = opcode == LWSN_OP_TEXT ? LWSN_RECORD_TEXT : LWSN_RECORD_BINARY;
  record->detail = ascii;
  c->transport->server->stats.messages_received++;
  push(c, record);
}

static void note_size(lwsn_receive *rx, size_t size) {
  rx->large = size > LWSN_SMALL_MAX && size <= LWSN_LARGE_MAX ? (uint32_t)size : 0;
  rx->large_opcode = rx->opcode;
}

void lwsn_message_whole(lwsn_connection *c, const uint8_t *payload, size_t size) {
  lwsn_receive *rx = &c->rx;
  if (!lwsn_message_wanted(c)) return;
  note_size(rx, size);
  lwsn_record aside, *record = record_at(c, &aside);
  lwsn_inbound *in = &c->transport->services->inbound;
  lwsn_keep keep = lwsn_message_keep(c, rx->opcode);
  uint8_t *at = lwsn_inbound_show(in, record, payload, size, keep) ? (uint8_t *)payload
                                                                   : lwsn_inbound_reserve(in, record, size, keep);
  if (!at) {
    fail(c, LWSN_CLOSE_INTERNAL, "no memory for a message");
    return;
  }
  lwsn_unmask(at, payload, size, rx->mask, 0);
  bool ascii = false;
  if (rx->opcode == LWSN_OP_TEXT) {
    if (!lwsn_utf8_whole(&rx->utf8, at, size)) {
      fail(c, LWSN_CLOSE_INVALID_DATA, "a text message is not valid UTF-8");
      return;
    }
    ascii = rx->utf8.ascii;
  }
  push_message(c, record, rx->opcode, ascii);
}

/* The size of the message, where its one frame tells it and enough of it is there; else 0. */
static size_t announced(const lwsn_receive *rx, size_t there) {
  bool alone = rx->fin && rx->opcode == rx->message && !rx->compressed;
  uint64_t size = rx->phase + rx->frame_left;
  return alone && size <= EXPECTED_MAX && there >= size / BELIEVED ? (size_t)size : 0;
}

/* The memory that a large message will be shown in. False: there is none, or others expect too much already. */
static bool take_slab(lwsn_connection *c, size_t size) {
  lwsn_receive *rx = &c->rx;
  lwsn_inbound *in = &c->transport->services->inbound;
  if (in->expected_bytes + size > EXPECTED_BYTES_MAX) return false;
  lwsn_slab *slab = lwsn_slab_take(in->own_pool, size);
  if (!slab) return false;
  in->expected_bytes += size;
  if (rx->message_size > 0) memcpy(slab->data, rx->message_data, rx->message_size);
  free(rx->message_data);
  rx->message_slab = slab;
  rx->message_data = slab->data;
  rx->message_capacity = size;
  return true;
}

static bool assembly_room(lwsn_connection *c, size_t more) {
  lwsn_receive *rx = &c->rx;
  size_t needed = rx->message_size + more;
  if (needed <= rx->message_capacity) return true;
  size_t size = announced(rx, needed);
  if (size > LWSN_LARGE_MAX && take_slab(c, size)) return true;
  size_t capacity = rx->message_capacity ? rx->message_capacity : ASSEMBLY_MIN;
  if (capacity < size && size <= LWSN_LARGE_MAX) capacity = size;
  while (capacity < needed) capacity *= 2;
  double limit = lwsn_message_limit(c);
  if ((double)capacity > limit && (double)needed <= limit) capacity = (size_t)limit;
  uint8_t *grown = realloc(rx->message_data, capacity);
  if (!grown) return false;
  rx->message_data = grown;
  rx->message_capacity = capacity;
  return true;
}

static bool check_text(lwsn_connection *c, const uint8_t *data, size_t size) {
  if (c->rx.message != LWSN_OP_TEXT || lwsn_utf8_feed(&c->rx.utf8, data, size)) return true;
  fail(c, LWSN_CLOSE_INVALID_DATA, "a text message is not valid UTF-8");
  return false;
}

/* A piece of a message that is being assembled. */
static void take_piece(lwsn_connection *c, const uint8_t *payload, size_t size) {
  lwsn_receive *rx = &c->rx;
  if (size == 0) return; /* nothing may be assembled yet, and NULL + 0 is undefined */
  if (!assembly_room(c, size)) {
    fail(c, LWSN_CLOSE_INTERNAL, "no memory for a message");
    return;
  }
  uint8_t *at = rx->message_data + rx->message_size;
  lwsn_unmask(at, payload, size, rx->mask, (unsigned)(rx->phase & 3));
  rx->message_size += size;
  check_text(c, at, size);
}

/* Delivers an unmasked and checked piece. */
static void push_fragment(lwsn_connection *c, const uint8_t *data, size_t size, bool final) {
  lwsn_receive *rx = &c->rx;
  lwsn_record record;
  begin_record(&record, c, LWSN_RECORD_FRAGMENT);
  lwsn_inbound *in = &c->transport->services->inbound;
  uint8_t *at = lwsn_inbound_reserve(in, &record, size, c->transient ? LWSN_KEEP_CALL : LWSN_KEEP_LONG);
  if (!at) {
    fail(c, LWSN_CLOSE_INTERNAL, "no memory for a message");
    return;
  }
  if (size > 0) memcpy(at, data, size);
  rx->streamed += size;
  if (final && rx->message == LWSN_OP_TEXT && !lwsn_utf8_complete(&rx->utf8)) {
    fail(c, LWSN_CLOSE_INVALID_DATA, "a text message ends inside a UTF-8 sequence");
    return;
  }
  record.detail = (rx->told_first ? 0 : LWSN_FRAGMENT_FIRST) | (final ? LWSN_FRAGMENT_FINAL : 0) |
                  (rx->message == LWSN_OP_TEXT ? LWSN_FRAGMENT_TEXT : 0);
  rx->told_first = true;
  if (final) c->transport->server->stats.messages_received++;
  push(c, &record);
}

/* A piece of a compressed message: inflated as it comes, so that a bomb stops at maxPayload. */
static bool inflate_piece(lwsn_connection *c, const uint8_t *payload, size_t size, bool final) {
  lwsn_receive *rx = &c->rx;
  /* the read buffer is ours, so it is unmasked where it lies */
  lwsn_unmask((uint8_t *)payload, payload, size, rx->mask, (unsigned)(rx->phase & 3));
  lwsn_inflated out = {rx->message_data, rx->message_size, rx->message_capacity,
                       lwsn_message_limit(c) - (double)rx->streamed};
  size_t before = out.size;
  lwsn_inflate_result result = lwsn_inflate_piece(c->deflate, payload, size, final, &out);
  rx->message_data = out.data;
  rx->message_size = out.size;
  rx->message_capacity = out.capacity;
  if (result == LWSN_INFLATE_OK) return out.size == before || check_text(c, out.data + before, out.size - before);
  if (result == LWSN_INFLATE_TOO_BIG)
    fail(c, LWSN_CLOSE_TOO_BIG, "a message is larger than maxPayload");
  else if (result == LWSN_INFLATE_BAD)
    fail(c, LWSN_CLOSE_INVALID_DATA, "a compressed message is not a valid deflate stream");
  else
    fail(c, LWSN_CLOSE_INTERNAL, "no memory for a message");
  return false;
}

static void stream_inflated(lwsn_connection *c, const uint8_t *payload, size_t size, bool final) {
  lwsn_receive *rx = &c->rx;
  if (!inflate_piece(c, payload, size, final)) return;
  if (rx->message_size > 0 || final) push_fragment(c, rx->message_data, rx->message_size, final);
  lwsn_incoming_clear_message(
      &c->rx, &c->transport->services->inbound); /* a piece may inflate to maxPayload, and the next may never come */
}

/* A piece of a message that is delivered as it comes. */
static void stream_piece(lwsn_connection *c, const uint8_t *payload, size_t size, bool final) {
  lwsn_receive *rx = &c->rx;
  lwsn_unmask((uint8_t *)payload, payload, size, rx->mask, (unsigned)(rx->phase & 3));
  if (check_text(c, payload, size)) push_fragment(c, payload, size, final);
}

/* Makes a slab of memory that grew with the message, without what is behind it. NULL: no memory. */
static lwsn_slab *wrap(lwsn_receive *rx) {
  uint8_t *fitting = realloc(rx->message_data, rx->message_size);
  if (fitting) rx->message_data = fitting;
  lwsn_slab *slab = lwsn_slab_wrap(rx->message_data, rx->message_size);
  if (slab) rx->message_data = NULL;
  return slab;
}

/* Hands the assembled message over where it lies. */
static bool give(lwsn_connection *c, lwsn_record *record) {
  lwsn_inbound *in = &c->transport->services->inbound;
  lwsn_slab *slab = c->rx.message_slab;
  if (slab)
    lwsn_slab_ref(slab); /* the batch's; clearing gives ours back */
  else
    slab = wrap(&c->rx);
  if (!slab) return false;
  if (lwsn_inbound_adopt(in, record, slab)) return true;
  lwsn_slab_unref(slab);
  return false;
}

void lwsn_message_end(lwsn_connection *c) {
  lwsn_receive *rx = &c->rx;
  uint8_t opcode = rx->message;
  rx->message = 0;
  if (!lwsn_message_wanted(c)) lwsn_incoming_clear_message(&c->rx, &c->transport->services->inbound);
  if (!lwsn_message_wanted(c) || c->fragments) return;
  if (opcode == LWSN_OP_TEXT && !lwsn_utf8_complete(&rx->utf8)) {
    fail(c, LWSN_CLOSE_INVALID_DATA, "a text message ends inside a UTF-8 sequence");
    return;
  }
  lwsn_inbound *in = &c->transport->services->inbound;
  lwsn_record record;
  begin_record(&record, c, LWSN_RECORD_TEXT);
  size_t size = rx->message_size;
  if (rx->opcode == opcode) note_size(rx, size);
  bool done;
  if (size > LWSN_LARGE_MAX) {
    done = give(c, &record);
  } else {
    uint8_t *at = lwsn_inbound_reserve(in, &record, size, lwsn_message_keep(c, opcode));
    done = at != NULL;
    if (at && size > 0) memcpy(at, rx->message_data, size);
  }
  lwsn_incoming_clear_message(&c->rx, &c->transport->services->inbound);
  if (done)
    push_message(c, &record, opcode, opcode == LWSN_OP_TEXT && rx->utf8.ascii);
  else
    fail(c, LWSN_CLOSE_INTERNAL, "no memory for a message");
}

void lwsn_message_piece(lwsn_connection *c, const uint8_t *data, size_t size, bool final) {
  if (c->rx.compressed && c->fragments)
    stream_inflated(c, data, size, final);
  else if (c->rx.compressed)
    inflate_piece(c, data, size, final);
  else if (c->fragments)
    stream_piece(c, data, size, final);
  else
    take_piece(c, data, size);
}

void lwsn_message_pong(lwsn_connection *c, const uint8_t *payload, size_t size) {
  if (!lwsn_message_wanted(c) || !c->pongs) return;
  lwsn_inbound *in = &c->transport->services->inbound;
  lwsn_record record;
  begin_record(&record, c, LWSN_RECORD_PONG);
  uint8_t *at = lwsn_inbound_reserve(in, &record, size, LWSN_KEEP_LONG);
  if (!at) return;
  memcpy(at, payload, size);
  push(c, &record);
}
