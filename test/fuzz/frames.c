/*
 * Frames of one WebSocket, in one piece and in pieces: both tell the same messages, pongs and end. The first byte is
 * the length of the pieces.
 */
#include "conversation.h"
#include "websocket/connection.h"

enum { PIECES_MAX = 200 };

typedef struct story {
  uint8_t *bytes;
  size_t size, capacity;
} story;

static void note(story *s, const void *data, size_t size) {
  if (s->capacity - s->size < size) {
    s->capacity = (s->size + size) * 2;
    s->bytes = realloc(s->bytes, s->capacity);
    if (!s->bytes) abort();
  }
  if (size > 0) memcpy(s->bytes + s->size, data, size);
  s->size += size;
}

/* Kinds, details and payloads in order; fragments joined, since they are cut where the input was. */
static void note_events(story *s, const world *w) {
  for (size_t i = 0; i < w->event_count; i++) {
    const event *e = &w->events[i];
    if (e->kind == LWSN_RECORD_WRITABLE || e->kind == LWSN_RECORD_REQUEST || e->kind == LWSN_RECORD_CONNECTED) continue;
    bool fragment = e->kind == LWSN_RECORD_FRAGMENT;
    uint32_t final = e->detail & LWSN_FRAGMENT_FINAL;
    /* why it failed: of two things that are wrong at once, the first to be seen */
    size_t size = e->kind == LWSN_RECORD_CLOSED && e->detail == LWSN_CLOSE_ABNORMAL ? 0 : e->size;
    if (!fragment) note(s, (uint32_t[]){e->kind, e->detail, e->extra, (uint32_t)size}, 16);
    note(s, e->data, size);
    if (fragment && final) note(s, &final, sizeof final);
  }
}

static story told(const conversation_settings *settings, fuzz_input in, size_t step) {
  conversation c;
  story s = {0};
  conversation_begin(&c, settings);
  while (in.size > 0) {
    fuzz_input piece = fuzz_take(&in, step);
    conversation_send(&c, piece.data, piece.size);
  }
  conversation_finish(&c);
  for (int i = 0; i < 4; i++) conversation_turn(&c);
  note_events(&s, c.world);
  /* a compressed text may be too large, no deflate stream and no UTF-8 at once */
  if (!(settings->flags & LWSN_CONNECTION_DEFLATE)) note(&s, &c.code_sent, sizeof c.code_sent);
  conversation_end(&c);
  return s;
}

void fuzz_frames(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  size_t step = fuzz_byte(&in);
  conversation_settings settings = conversation_settings_of(&in);
  settings.client = (step & 128) != 0;
  step = 1 + (step & 127);
  if (step < in.size / PIECES_MAX) step = in.size / PIECES_MAX;
  settings.upgraded = true;
  settings.proxied = settings.echoes = settings.narrow = settings.alone = false;
  story whole = told(&settings, in, in.size), pieces = told(&settings, in, step);
  /* what was told of a message that turned out bad depends on where it was cut */
  bool comparable = !(settings.flags & LWSN_CONNECTION_FRAGMENTS);
  EXPECT(!comparable || (whole.size == pieces.size && memcmp(whole.bytes, pieces.bytes, whole.size) == 0));
  free(whole.bytes);
  free(pieces.bytes);
}
