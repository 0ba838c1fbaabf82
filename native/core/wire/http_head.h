/*
 * The head of an HTTP/1.x request (RFC 9112 §2-§6.1, RFC 9110 §5-§10), parsed strictly: what two parsers could
 * read differently is refused (request smuggling), never repaired. Nothing is copied: slices point into the
 * caller's bytes and live as long as they do.
 */
#ifndef LWSN_HTTP_HEAD_H
#define LWSN_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/slice.h"

/*
 * Header fields are the first one of their name, trimmed, and count how many there were. All values hold
 * only TAB, SP, visible ASCII and bytes from 0x80; `target` has one of the forms of http_target.h. `host` is that of
 * the target where it names one (RFC 9112 §3.2.2), else the field.
 */
typedef struct lwsn_http_head {
  lwsn_slice method, target;
  int minor; /* HTTP/1.minor: 0 or 1 */
  bool head_method, get_method;
  bool keep_alive;        /* the connection may be used again (RFC 9112 §9.3) */
  bool expect_continue;   /* "Expect: 100-continue" in HTTP/1.1 (RFC 9110 §10.1.1) */
  int64_t content_length; /* -1: none given */
  bool chunked;
  bool upgrade_websocket;  /* Upgrade lists "websocket", in any case */
  bool connection_upgrade; /* Connection lists "upgrade", in any case */
  lwsn_slice host, origin, ws_key, ws_version, ws_protocol, ws_extensions;
  unsigned ws_key_count, ws_version_count, ws_protocol_count, ws_extensions_count;
  int protocols, extensions; /* elements in all fields of Sec-WebSocket-Protocol, -Extensions; -1: malformed */
  unsigned header_count;     /* of all fields */
} lwsn_http_head;

/*
 * Length of the head that p[0..n) begins with, including its empty line and empty lines before the request line
 * (RFC 9112 §2.2); 0 while it is incomplete. Looks for CRLF CRLF only, so lwsn_http_head_parse() must follow.
 * *resume belongs to the search: 0 at first, then kept while p only grows. All calls together look at each byte
 * about once. The caller bounds n.
 */
size_t lwsn_http_head_end(const char *p, size_t n, size_t *resume);

/*
 * Parses a whole head, exactly the bytes that lwsn_http_head_end() measured. Returns 0, or the status to
 * answer with before closing, and then *why is one static sentence and *out is unspecified:
 *   400 malformed: any byte that RFC 9112 does not allow, a folded line, a bare CR or LF, white space before ':',
 *       a target of a form that the method does not have, no or several Host in HTTP/1.1 (several also in 1.0), a Host
 *       that is neither empty nor host[:port], Content-Length that
 *       is no number or given twice (equal ones too; RFC 9110 §8.6 allows either), Transfer-Encoding with
 *       Content-Length, in HTTP/1.0, twice, or with chunked not at its end, several Origin
 *   417 Expect other than 100-continue
 *   501 a transfer coding other than chunked; CONNECT, since a proxy in front would take what answers it with success
 *       for the begin of a tunnel (RFC 9110 §9.3.6)
 *   505 a version other than HTTP/1.0 and HTTP/1.1
 */
int lwsn_http_head_parse(const char *p, size_t n, lwsn_http_head *out, const char **why);

/*
 * RFC 6455 §4.2.1 for a parsed request that asks to upgrade (`upgrade_websocket`). Returns 0, or the status to
 * answer with, and then *why is one static sentence:
 *   405 the method is not GET
 *   426 Sec-WebSocket-Version missing or not 13 (to be answered with Sec-WebSocket-Version: 13)
 *   400 HTTP/1.0, no Connection: upgrade, a body announced, Sec-WebSocket-Version doubled, Sec-WebSocket-Key
 *       missing, doubled or not the base64 of 16 bytes; Sec-WebSocket-Protocol or -Extensions that is empty or
 *       not a list of its grammar (§4.1, §9.1)
 */
int lwsn_http_upgrade_check(const lwsn_http_head *h, const char **why);

/* Whether p[0..n) is a token (RFC 9110 §5.6.2): at least one byte, all of them tchar. */
bool lwsn_http_is_token(const char *p, size_t n);

/* Whether p[0..n) holds only what a field value may (RFC 9110 §5.5): TAB, SP, visible ASCII, bytes from 0x80. */
bool lwsn_http_is_value(const char *p, size_t n);

#endif
