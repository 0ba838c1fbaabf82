/* permessage-deflate alone (RFC 7692): every pair of settings, in pieces, and input that is no stream. */
#include "wire/deflate.h"

#include <stdlib.h>

#include "check.h"

enum { HEADROOM = 14, LARGEST = 140000 };

/* One side of a connection: what it sends, and what it reads with the other's settings mirrored. */
static lwsn_deflate *side(lwsn_deflate_shared **shared, int bits, int level, int mem_level, bool own, bool peer) {
  lwsn_deflate_options options = {.own_window_bits = (uint8_t)bits,
                                  .peer_window_bits = (uint8_t)bits,
                                  .level = (uint8_t)level,
                                  .mem_level = (uint8_t)mem_level,
                                  .own_takeover = own,
                                  .peer_takeover = peer};
  return lwsn_deflate_create(shared, &options);
}

static void fill(uint8_t *at, size_t size, unsigned seed) {
  for (size_t i = 0; i < size; i++) {
    seed = seed * 1103515245u + 12345u;
    at[i] = i % 3 == 0 ? (uint8_t)(seed >> 16) : (uint8_t)(i / 100);
  }
}

/* Inflates `size` bytes in pieces of at most `piece`, as one message. */
static lwsn_inflate_result read_message(lwsn_deflate *d, const uint8_t *data, size_t size, size_t piece,
                                        lwsn_inflated *out) {
  out->size = 0;
  while (size > piece) {
    lwsn_inflate_result result = lwsn_inflate_piece(d, data, piece, false, out);
    if (result != LWSN_INFLATE_OK) return result;
    data += piece;
    size -= piece;
  }
  return lwsn_inflate_piece(d, data, size, true, out);
}

static void every_setting_gives_back_what_went_in(void) {
  static const size_t sizes[] = {0, 1, 5, 100, 0, 0, 4096, 70000, 3, LARGEST, 64};
  static const int levels[][2] = {{0, 1}, {1, 8}, {6, 9}, {9, 1}};
  uint8_t *data = malloc(LARGEST);
  lwsn_deflate_shared *shared = NULL;
  for (int bits = 9; bits <= 15; bits += 3)
    for (int l = 0; l < 4; l++)
      for (int takeover = 0; takeover < 2; takeover++)
        for (size_t piece = 1 << 24; piece > 100; piece /= 70) {
          lwsn_deflate *sender = side(&shared, bits, levels[l][0], levels[l][1], takeover, takeover);
          lwsn_deflate *reader = side(&shared, bits, 1, 8, takeover, takeover);
          lwsn_inflated out = {.limit = LARGEST};
          for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fill(data, sizes[i], (unsigned)i);
            size_t length = 0;
            uint8_t *made = lwsn_deflate_message(sender, data, sizes[i], HEADROOM, &length);
            CHECK(made != NULL && length > 0);
            CHECK_INT(read_message(reader, made, length, piece, &out), LWSN_INFLATE_OK);
            CHECK(out.size == sizes[i] && (sizes[i] == 0 || memcmp(out.data, data, sizes[i]) == 0));
          }
          free(out.data);
          lwsn_deflate_free(sender);
          lwsn_deflate_free(reader);
        }
  lwsn_deflate_shared_free(shared);
  free(data);
}

static void a_final_block_keeps_the_window(void) {
  static const uint8_t final[] = {0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00};
  static const uint8_t back[] = {0xf2, 0x00, 0x11, 0x00, 0x00};
  lwsn_deflate_shared *shared = NULL;
  for (size_t length = sizeof final - 1; length <= sizeof final; length++)
    for (int takeover = 0; takeover < 2; takeover++) {
      lwsn_deflate *d = side(&shared, 15, 1, 8, false, takeover);
      lwsn_inflated out = {.limit = 100};
      for (int i = 0; i < 3; i++) {
        CHECK_INT(read_message(d, final, length, 100, &out), LWSN_INFLATE_OK);
        CHECK(out.size == 5 && memcmp(out.data, "Hello", 5) == 0);
      }
      CHECK_INT(read_message(d, back, sizeof back, 100, &out), takeover ? LWSN_INFLATE_OK : LWSN_INFLATE_BAD);
      free(out.data);
      lwsn_deflate_free(d);
    }
  lwsn_deflate_shared_free(shared);
}

static void a_message_without_a_byte_is_empty_at_any_time(void) {
  static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
  lwsn_deflate_shared *shared = NULL;
  for (int takeover = 0; takeover < 2; takeover++) {
    lwsn_deflate *d = side(&shared, 15, 1, 8, false, takeover);
    lwsn_inflated out = {.limit = 100};
    for (int i = 0; i < 4; i++) {
      CHECK_INT(lwsn_inflate_piece(d, hello, 0, i % 2 == 0, &out), LWSN_INFLATE_OK);
      if (i % 2 == 1) CHECK_INT(lwsn_inflate_piece(d, hello, 0, true, &out), LWSN_INFLATE_OK);
      CHECK_INT((long)out.size, 0);
      CHECK_INT(read_message(d, hello, sizeof hello, 3, &out), LWSN_INFLATE_OK);
      CHECK(out.size == 5 && memcmp(out.data, "Hello", 5) == 0);
      out.size = 0;
    }
    free(out.data);
    lwsn_deflate_free(d);
  }
  lwsn_deflate_shared_free(shared);
}

/* Whatever one connection feeds, the next one with the same settings reads what it should. */
static void noise_is_refused_and_leaves_nothing_behind(void) {
  static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
  uint8_t noise[300];
  lwsn_deflate_shared *shared = NULL;
  for (unsigned seed = 0; seed < 400; seed++) {
    for (size_t i = 0, state = seed * 2654435761u; i < sizeof noise; i++)
      noise[i] = (uint8_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 33);
    lwsn_deflate *d = side(&shared, 15, 1, 8, false, seed % 2);
    lwsn_inflated out = {.limit = 1000};
    read_message(d, noise, 1 + seed % sizeof noise, 1 + seed % 50, &out);
    CHECK(out.size <= 1001);
    lwsn_deflate_free(d);
    d = side(&shared, 15, 1, 8, false, false);
    CHECK_INT(read_message(d, hello, sizeof hello, 100, &out), LWSN_INFLATE_OK);
    CHECK(out.size == 5 && memcmp(out.data, "Hello", 5) == 0);
    lwsn_deflate_free(d);
    free(out.data);
  }
  lwsn_deflate_shared_free(shared);
}

static void the_limit_holds_to_the_byte(void) {
  lwsn_deflate_shared *shared = NULL;
  static uint8_t zeros[100001];
  for (size_t limit = 0; limit <= 100000; limit = limit * 10 + 1) {
    for (size_t over = 0; over < 2; over++) {
      lwsn_deflate *d = side(&shared, 15, 9, 8, false, false);
      size_t length;
      uint8_t *made = lwsn_deflate_message(d, zeros, limit + over, HEADROOM, &length);
      lwsn_inflated out = {.limit = (double)limit};
      CHECK_INT(read_message(d, made, length, 1 << 20, &out), over ? LWSN_INFLATE_TOO_BIG : LWSN_INFLATE_OK);
      CHECK(out.capacity <= limit + 1);
      free(out.data);
      lwsn_deflate_free(d);
    }
  }
  lwsn_deflate_shared_free(shared);
}

static void what_zlib_cannot_make_is_not_wanted(void) {
  lwsn_deflate_shared *shared = NULL;
  for (int bits = 8; bits <= 15; bits++) {
    lwsn_deflate *d = side(&shared, bits, 1, 8, false, false);
    CHECK(lwsn_deflate_wanted(d, 0) == (bits > 8) && lwsn_deflate_wanted(d, 1 << 30) == (bits > 8));
    CHECK(!lwsn_deflate_wanted(d, ((size_t)1 << 30) + 1) && !lwsn_deflate_wanted(d, (size_t)1 << 32));
    lwsn_deflate_free(d);
  }
  lwsn_deflate_shared_free(shared);
}

int main(void) {
  every_setting_gives_back_what_went_in();
  a_final_block_keeps_the_window();
  a_message_without_a_byte_is_empty_at_any_time();
  noise_is_refused_and_leaves_nothing_behind();
  the_limit_holds_to_the_byte();
  what_zlib_cannot_make_is_not_wanted();
  return check_report();
}
