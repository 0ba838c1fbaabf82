#ifndef BENCH_ACCEPT_H
#define BENCH_ACCEPT_H

#include <stddef.h>
#include <stdint.h>

#define ACCEPT_SIZE 29 /* 28 characters and the terminator */
#define KEY_SIZE 25    /* 24 characters and the terminator */

/* Base64 of 16 random bytes (RFC 6455 §4.1). */
void accept_make_key(char key[KEY_SIZE], uint64_t random_high, uint64_t random_low);

/* Sec-WebSocket-Accept for a key of any length (RFC 6455 §4.2.2). */
void accept_from_key(char accept[ACCEPT_SIZE], const char *key, size_t length);

#endif
