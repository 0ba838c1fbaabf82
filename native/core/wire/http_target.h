/*
 * The target of a request and the host it is for (RFC 9112 §3.2, §3.3): the one place that judges their forms.
 */
#ifndef LWSN_HTTP_TARGET_H
#define LWSN_HTTP_TARGET_H

#include <stdbool.h>

#include "wire/slice.h"

/*
 * Whether the target has a form that goes with the method: a path (`/…`), an absolute URI of http, https, ws or wss
 * with a host and without user, or `*` for OPTIONS. *authority is the host and port of an absolute URI, which stand
 * above the field Host (§3.2.2), else its p is NULL.
 */
bool lwsn_http_target_parse(lwsn_slice method, lwsn_slice target, lwsn_slice *authority);

/*
 * Whether it is host [":" port] (RFC 9110 §7.2, RFC 3986 §3.2.2): a name, an IPv4 or a bracketed IPv6 address, and a
 * port up to 65535, which may be empty.
 */
bool lwsn_http_is_host(lwsn_slice host);

#endif
