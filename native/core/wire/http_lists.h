/*
 * Lists of a field's value (RFC 9110 §5.6.1): taken apart, searched, and those of the WebSocket handshake judged by
 * their grammar. Empty elements are passed over there (§5.6.1.2). Nothing is copied.
 */
#ifndef LWSN_HTTP_LISTS_H
#define LWSN_HTTP_LISTS_H

#include <stdbool.h>

#include "wire/slice.h"

/* Without the blanks at its ends. */
lwsn_slice lwsn_http_trim(const char *p, const char *end);

/* In any case of the ASCII letters, whatever the locale of the process. */
bool lwsn_http_equals(lwsn_slice s, const char *text);

/*
 * Takes the next element off the list, trimmed and possibly empty; false when nothing is left. A comma in a quoted
 * string separates nothing; a quote that is not closed takes all that follows.
 */
bool lwsn_http_next(lwsn_slice *list, lwsn_slice *element);

/* Whether the list has `token` as an element, in any case. */
bool lwsn_http_has(lwsn_slice list, const char *token);

/* How many tokens the list has, or -1: something else is in it (RFC 6455 §4.1, 1#token). */
int lwsn_http_count_tokens(lwsn_slice list);

/*
 * How many extensions a Sec-WebSocket-Extensions field has, or -1: it is malformed (RFC 6455 §9.1). A quoted
 * value must be a token once it is unescaped.
 */
int lwsn_http_count_extensions(lwsn_slice list);

#endif
