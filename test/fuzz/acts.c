#include "acts.h"

#include "clock.h"
#include "crossing/outbound.h"
#include "life.h"
#include "out.h"

/* The numbers are those of test/fuzz/seeds.mjs. */
enum act {
  SEND = 0,
  SEND_FRAME = 1, /* a large one, which an input has no room for */
  TURN = 2,
  PAUSE = 3,
  RESUME = 4,
  TEXT = 5,
  BINARY = 6,
  PING = 7,
  CLOSE = 8,
  WANT_WRITABLE = 9,
  TERMINATE = 10,
  FINISH = 11,
  WAIT = 12,
  READING = 13,
  DECIDE = 14,
  LARGE = 15,
};

enum { LARGE_SIZE = 40 * 1024, FRAME_UNIT = 300 };

static void send_text(conversation *c, fuzz_input *in, unsigned opcode) {
  fuzz_input payload = fuzz_take(in, conversation_length(in));
  out_message(c->world, c->handle, opcode, payload.data, payload.size);
}

static void send_large(conversation *c, uint8_t pattern) {
  static uint8_t large[LARGE_SIZE];
  memset(large, pattern, sizeof large);
  out_message(c->world, c->handle, 2, large, sizeof large);
}

/* From the far end, with a key of zeros; the first byte has the bits of `more` as FIN and opcode. */
static void send_frame(conversation *c, uint8_t more, uint8_t length) {
  static uint8_t frame[8 + 256 + 255 * FRAME_UNIT];
  size_t size = 256 + (size_t)length * FRAME_UNIT, at = 0;
  if (size > UINT16_MAX) size = UINT16_MAX;
  frame[at++] = (uint8_t)((more & 8 ? 0 : 0x80) | (more & 7));
  frame[at++] = (uint8_t)(c->settings.client ? 126 : 0x80 | 126);
  frame[at++] = (uint8_t)(size >> 8);
  frame[at++] = (uint8_t)size;
  if (!c->settings.client) {
    memset(frame + at, 0, 4);
    at += 4;
  }
  memset(frame + at, 'a', size);
  conversation_send(c, frame, at + size);
}

/* Held upgrades and answers: accepted, or refused in the way of their role. */
static void decide(conversation *c, uint8_t how) {
  world *w = c->world;
  if (!c->held) return;
  if (how & 1) {
    out_accept(w, c->handle, how & 2 && !c->settings.client ? "X-Fuzz: 1\r\n" : NULL, w->accept_flags);
  } else if (c->settings.client) {
    out_tell(w, c->handle, LWSN_OUT_RESUME); /* its body is wanted */
    return;
  } else {
    out_response(w, c->handle, "403 Forbidden", "no", (how & 2) != 0);
  }
  c->held = false;
}

static void ask(conversation *c, fuzz_input *in, enum act act, uint8_t more) {
  world *w = c->world;
  switch (act) {
    case PAUSE: out_tell(w, c->handle, LWSN_OUT_PAUSE); break;
    case RESUME: out_tell(w, c->handle, LWSN_OUT_RESUME); break;
    case TEXT: send_text(c, in, 1); break;
    case BINARY: send_text(c, in, 2); break;
    case PING: out_ping(w, c->handle, "ping", more & 3); break;
    case CLOSE: out_close(w, c->handle, more & 1 ? 1000 : more & 2 ? 4000 : 0, more & 4 ? "why" : NULL); break;
    case WANT_WRITABLE: out_tell(w, c->handle, LWSN_OUT_WANT_WRITABLE); break;
    case TERMINATE: out_tell(w, c->handle, LWSN_OUT_TERMINATE); break;
    case DECIDE: decide(c, more); break;
    case LARGE: send_large(c, more); break;
    default: break;
  }
}

void acts_play(conversation *c, fuzz_input *in) {
  while (in->size > 0) {
    uint8_t byte = fuzz_byte(in), more = byte >> 4;
    enum act act = byte & 15;
    if (act == SEND) {
      fuzz_input piece = fuzz_take(in, conversation_length(in));
      conversation_send(c, piece.data, piece.size);
      continue;
    }
    if (act == SEND_FRAME) send_frame(c, more, fuzz_byte(in));
    if (act == FINISH) conversation_finish(c);
    if (act == WAIT) (byte & 0x80 ? clock_advance : clock_sleep)(more ? more * 1000u : 60000);
    if (act == READING) c->reads = (more & 1) != 0;
    ask(c, in, act, more);
    if (act == TURN || act == WAIT || act == READING) conversation_turn(c);
  }
  c->reads = true;
  for (int i = 0; i < 3; i++) conversation_turn(c);
}
