/* lwsn_utf8_* against RFC 3629 §4 and the fail-fast rule of RFC 6455 §8.1. */
#include "wire/utf8.h"

#include "check.h"

#include <stdlib.h>

/* Feeds a heap copy of exactly n bytes, so that a sanitizer sees a read beyond them. */
static bool feed(lwsn_utf8 *v, const void *p, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  if (n) memcpy(copy, p, n);
  bool ok = lwsn_utf8_feed(v, n ? copy : NULL, n);
  free(copy);
  return ok;
}

static bool valid_whole(const void *p, size_t n) {
  lwsn_utf8 v;
  lwsn_utf8_reset(&v);
  return feed(&v, p, n) && lwsn_utf8_complete(&v);
}

/* A decoder of the plainest kind, to compare with: decode, then look whether the code may be written so. */
static bool reference(const uint8_t *p, size_t n) {
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < n;) {
    uint32_t c = p[i];
    size_t length = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;
    if (length == 0 || length > n - i) return false;
    uint32_t code = length == 1 ? c : c & (0x7fu >> length);
    for (size_t k = 1; k < length; k++) {
      if ((p[i + k] & 0xc0) != 0x80) return false;
      code = code << 6 | (p[i + k] & 0x3f);
    }
    if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

typedef struct {
  const char *name, *bytes;
  size_t n;
  size_t fails_at; /* index of the first byte that cannot be right; n: only the end is missing */
} invalid_case;

#define BYTES(literal) literal, sizeof(literal) - 1

static const invalid_case invalid[] = {
    {"continuation byte alone", BYTES("\x80"), 0},
    {"last continuation byte alone", BYTES("\xbf"), 0},
    {"continuation byte after ASCII", BYTES("a\x80"), 1},
    {"one continuation byte too many", BYTES("\xc3\xa9\xa9"), 2},
    {"overlong 2: c0 80", BYTES("\xc0\x80"), 0},
    {"overlong 2: c0 af", BYTES("\xc0\xaf"), 0},
    {"overlong 2: c1 bf", BYTES("\xc1\xbf"), 0},
    {"overlong 3: e0 80 af", BYTES("\xe0\x80\xaf"), 1},
    {"overlong 3: e0 9f bf", BYTES("\xe0\x9f\xbf"), 1},
    {"overlong 4: f0 80 80 af", BYTES("\xf0\x80\x80\xaf"), 1},
    {"overlong 4: f0 8f bf bf", BYTES("\xf0\x8f\xbf\xbf"), 1},
    {"5 bytes: f8", BYTES("\xf8\x88\x80\x80\x80"), 0},
    {"6 bytes: fc", BYTES("\xfc\x84\x80\x80\x80\x80"), 0},
    {"surrogate U+D800", BYTES("\xed\xa0\x80"), 1},
    {"surrogate U+DBFF", BYTES("\xed\xaf\xbf"), 1},
    {"surrogate U+DC00", BYTES("\xed\xb0\x80"), 1},
    {"surrogate U+DFFF", BYTES("\xed\xbf\xbf"), 1},
    {"surrogate pair (CESU-8)", BYTES("\xed\xa0\xbd\xed\xb8\x80"), 1},
    {"U+110000", BYTES("\xf4\x90\x80\x80"), 1},
    {"f5", BYTES("\xf5\x80\x80\x80"), 0},
    {"fe", BYTES("\xfe"), 0},
    {"ff", BYTES("\xff"), 0},
    {"byte order mark of UTF-16", BYTES("\xff\xfe"), 0},
    {"c2 then ASCII", BYTES("\xc2z"), 1},
    {"e2 82 then ASCII", BYTES("\xe2\x82z"), 2},
    {"f0 9f 98 then ASCII", BYTES("\xf0\x9f\x98z"), 3},
    {"f0 then a new sequence", BYTES("\xf0\xc3\xa9"), 1},
    {"e2 82 then a new sequence", BYTES("\xe2\x82\xe2\x82\xac"), 2},
    {"truncated 2", BYTES("\xc3"), 1},
    {"truncated 3 after 1", BYTES("\xe2"), 1},
    {"truncated 3 after 2", BYTES("\xe2\x82"), 2},
    {"truncated 4 after 1", BYTES("\xf0"), 1},
    {"truncated 4 after 2", BYTES("\xf0\x9f"), 2},
    {"truncated 4 after 3", BYTES("\xf0\x9f\x98"), 3},
    {"Greek, a surrogate, ASCII",
     BYTES("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
           "edited"),
     12},
};

/* `before` valid bytes around the bad ones put them at every place of the wide steps. */
static void check_invalid(const invalid_case *c, size_t before, const char *filler) {
  uint8_t text[256];
  size_t unit = strlen(filler), n = 0;
  while (n < before) memcpy(text + n, filler, unit), n += unit;
  size_t fails_at = n + c->fails_at;
  memcpy(text + n, c->bytes, c->n);
  n += c->n;

  CHECK_MSG(!valid_whole(text, n), "accepted: %s after %zu bytes", c->name, before);
  bool truncated = c->fails_at == c->n;
  if (!truncated) {
    memset(text + n, 'x', 64);
    CHECK_MSG(!valid_whole(text, n + 64), "accepted with text behind: %s after %zu", c->name, before);
  }
  for (size_t cut = 0; cut <= n; cut++) {
    lwsn_utf8 v;
    lwsn_utf8_reset(&v);
    CHECK_MSG(feed(&v, text, cut) == (cut <= fails_at), "%s after %zu: first %zu bytes", c->name, before, cut);
    bool rest = feed(&v, text + cut, n - cut);
    CHECK_MSG(rest == truncated, "%s after %zu: cut at %zu", c->name, before, cut);
    CHECK_MSG(!lwsn_utf8_complete(&v), "%s after %zu is complete, cut at %zu", c->name, before, cut);
  }
}

static void refuses_what_is_invalid_at_the_first_wrong_byte(void) {
  for (size_t k = 0; k < sizeof invalid / sizeof *invalid; k++)
    for (size_t before = 0; before <= 70; before++) {
      check_invalid(&invalid[k], before, "a");
      if (before % 3 == 0) check_invalid(&invalid[k], before, "\xe2\x82\xac");
    }
}

static void stays_invalid_until_the_reset(void) {
  lwsn_utf8 v;
  lwsn_utf8_reset(&v);
  CHECK(!feed(&v, "\xff", 1));
  CHECK(!feed(&v, "plain", 5));
  CHECK(!feed(&v, "\x80", 1));
  CHECK(!feed(&v, NULL, 0));
  CHECK(!v.ascii);
  CHECK(!lwsn_utf8_complete(&v));
  lwsn_utf8_reset(&v);
  CHECK(feed(&v, "plain", 5));
  CHECK(v.ascii);
  CHECK(lwsn_utf8_complete(&v));
}

static const char *const valid[] = {
    "",
    "Hello",
    "\x7f",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "\xef\xbb\xbfwith a byte order mark",
    "Gr\xc3\xbc\xc3\x9f"
    "e aus K\xc3\xb6ln, und noch viel mehr Text, der \xc3\xbc"
    "ber 32 Bytes hinausgeht",
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96",
    "\xf0\x9f\x98\x80\xf0\x9f\x98\x81 ok \xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9",
    "0123456789012345678901234567890123456789012345678901234567890123456789",
};

static void accepts_valid_text_however_it_is_cut(void) {
  for (size_t k = 0; k < sizeof valid / sizeof *valid; k++) {
    const char *text = valid[k];
    size_t n = strlen(text);
    bool ascii = true;
    for (size_t i = 0; i < n; i++) ascii = ascii && (uint8_t)text[i] < 0x80;
    lwsn_utf8 bytewise;
    lwsn_utf8_reset(&bytewise);
    for (size_t i = 0; i < n; i++) CHECK_MSG(feed(&bytewise, text + i, 1), "\"%s\" byte %zu", text, i);
    CHECK(lwsn_utf8_complete(&bytewise));
    CHECK_INT(bytewise.ascii, ascii);
    for (size_t cut = 0; cut <= n; cut++) {
      lwsn_utf8 v;
      lwsn_utf8_reset(&v);
      CHECK_MSG(feed(&v, text, cut) && feed(&v, text + cut, n - cut), "\"%s\" cut at %zu", text, cut);
      CHECK_MSG(lwsn_utf8_complete(&v) && v.ascii == ascii, "\"%s\" cut at %zu", text, cut);
      bool inside = cut < n && ((uint8_t)text[cut] & 0xc0) == 0x80;
      lwsn_utf8_reset(&v);
      feed(&v, text, cut);
      CHECK_MSG(lwsn_utf8_complete(&v) == !inside, "\"%s\": complete after %zu", text, cut);
    }
  }
}

static void knows_ascii_at_every_place(void) {
  uint8_t text[130];
  for (size_t at = 0; at + 1 < sizeof text; at++) {
    memset(text, 'a', sizeof text);
    lwsn_utf8 v;
    lwsn_utf8_reset(&v);
    CHECK(feed(&v, text, sizeof text) && v.ascii);
    text[at] = 0xc3;
    text[at + 1] = 0xa9;
    lwsn_utf8_reset(&v);
    CHECK_MSG(feed(&v, text, sizeof text) && !v.ascii, "non-ASCII at %zu", at);
  }
}

static void agrees_with_the_reference_on_every_short_string(void) {
  /* All strings of 3 bytes, and all of 4 whose first byte opens a sequence of 4 (in steps at the end). */
  for (uint32_t s = 0; s < 1u << 24; s++) {
    const uint8_t text[3] = {(uint8_t)(s >> 16), (uint8_t)(s >> 8), (uint8_t)s};
    lwsn_utf8 v;
    lwsn_utf8_reset(&v);
    bool ok = lwsn_utf8_feed(&v, text, 3) && lwsn_utf8_complete(&v);
    if (ok != reference(text, 3)) CHECK_MSG(false, "%02x %02x %02x gave %d", text[0], text[1], text[2], ok);
  }
  for (uint32_t s = 0; s < 1u << 24; s++) {
    const uint8_t text[4] = {(uint8_t)(0xe0 | (s >> 20 & 0x1f)), (uint8_t)(s >> 12), (uint8_t)(s >> 4 & 0xff),
                             (uint8_t)((s & 15) * 17)};
    lwsn_utf8 v;
    lwsn_utf8_reset(&v);
    bool ok = lwsn_utf8_feed(&v, text, 4) && lwsn_utf8_complete(&v);
    if (ok != reference(text, 4))
      CHECK_MSG(false, "%02x %02x %02x %02x gave %d", text[0], text[1], text[2], text[3], ok);
  }
}

static uint32_t random_state = 2463534242u;
static uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % limit;
}

static void agrees_with_the_reference_on_random_text(void) {
  static const char *const pieces[] = {"a",
                                       "hello, world",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "0123456789abcdefghijklmnopqrstuvwxyz",
                                       "\xe4\xbd\xa0\xe5\xa5\xbd"};
  for (int round = 0; round < 20000; round++) {
    uint8_t text[512];
    size_t n = 0;
    while (n < 100 + random_below(300)) {
      const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
      memcpy(text + n, piece, strlen(piece));
      n += strlen(piece);
    }
    if (round % 2) text[random_below((uint32_t)n)] = (uint8_t)random_below(256);
    bool expected = reference(text, n), whole = valid_whole(text, n);
    lwsn_utf8 v;
    lwsn_utf8_reset(&v);
    bool pieces_ok = true;
    for (size_t i = 0, step; i < n; i += step) {
      step = 1 + random_below(60);
      if (step > n - i) step = n - i;
      pieces_ok = feed(&v, text + i, step);
    }
    CHECK_MSG(whole == expected, "round %d: whole", round);
    CHECK_MSG((pieces_ok && lwsn_utf8_complete(&v)) == expected, "round %d: in pieces", round);
  }
}

int main(void) {
  refuses_what_is_invalid_at_the_first_wrong_byte();
  stays_invalid_until_the_reset();
  accepts_valid_text_however_it_is_cut();
  knows_ascii_at_every_place();
  agrees_with_the_reference_on_every_short_string();
  agrees_with_the_reference_on_random_text();
  return check_report();
}
