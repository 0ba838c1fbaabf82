/*
 * Fuzz targets: one function each, in a file of its name. A target takes one input, checks what must hold for every
 * input, and returns with all of it released. A rule that was broken ends the process. libFuzzer drives them
 * (entry.c), and the corpus is replayed without it (test/native/core_replay_test.c).
 */
#ifndef LWSN_FUZZ_TARGET_H
#define LWSN_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_http_head(const uint8_t *data, size_t size);
void fuzz_http_body(const uint8_t *data, size_t size);
void fuzz_proxy_header(const uint8_t *data, size_t size);
void fuzz_utf8(const uint8_t *data, size_t size);
void fuzz_mask(const uint8_t *data, size_t size);
void fuzz_deflate(const uint8_t *data, size_t size);
void fuzz_frames(const uint8_t *data, size_t size);
void fuzz_server(const uint8_t *data, size_t size);
void fuzz_client(const uint8_t *data, size_t size);

/* What is left of an input that says by its first bytes what is done with the others. */
typedef struct fuzz_input {
  const uint8_t *data;
  size_t size;
} fuzz_input;

/* The next byte; 0 when there is none. */
static inline uint8_t fuzz_byte(fuzz_input *in) {
  if (in->size == 0) return 0;
  in->size--;
  return *in->data++;
}

/* The next bytes: at most as many as are left. */
static inline fuzz_input fuzz_take(fuzz_input *in, size_t size) {
  fuzz_input piece = {in->data, size < in->size ? size : in->size};
  in->data += piece.size;
  in->size -= piece.size;
  return piece;
}

/* A copy that ends where its memory ends, so that reading beyond it is seen. The caller frees it. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size > 0 ? size : 1);
  if (!copy) abort();
  if (size > 0) memcpy(copy, data, size);
  return copy;
}

static inline void fuzz_expect(bool holds, const char *what, const char *file, int line) {
  if (holds) return;
  fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
  abort();
}

#define EXPECT(condition) fuzz_expect((condition), #condition, __FILE__, __LINE__)

#endif
