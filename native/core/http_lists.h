/*
 * The lists of the WebSocket handshake, judged by their grammar. Empty elements are passed over
 * (RFC 9110 §5.6.1.2). Nothing is copied.
 */
#ifndef LWSN_HTTP_LISTS_H
#define LWSN_HTTP_LISTS_H

#include "http_head.h"

/* How many tokens the list has, or -1: something else is in it (RFC 6455 §4.1, 1#token). */
int lwsn_http_count_tokens(lwsn_slice list);

/*
 * How many extensions a Sec-WebSocket-Extensions field has, or -1: it is malformed (RFC 6455 §9.1). A quoted
 * value must be a token once it is unescaped.
 */
int lwsn_http_count_extensions(lwsn_slice list);

#endif
