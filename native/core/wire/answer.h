/*
 * The head of an HTTP/1.x response as a client reads it (RFC 9112 4): only what has to be known before it is whole. The
 * other side parses it.
 */
#ifndef LWSN_ANSWER_H
#define LWSN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether p[0..n), a whole head, is interim: "HTTP/1.1 1yz", but not 101. Another head follows (RFC 9110 15.2). */
bool lwsn_answer_is_interim(const char *p, size_t n);

/*
 * What keeps p[0..n), which is not whole yet, from ever being a head: a static sentence, or NULL. The bytes before `from`
 * were judged already, so that all calls together look at each byte about once.
 */
const char *lwsn_answer_wrong(const char *p, size_t n, size_t from);

#endif
