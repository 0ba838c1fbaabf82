#include "http/refusal.h"

#include <stdio.h>
#include <string.h>

#include "net/ending.h"
#include "net/send.h"
#include "net/server.h"
#include "wire/http_date.h"

static const char *status_text(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 417: return "Expectation Failed";
    case 426: return "Upgrade Required";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
  }
}

static const char *extra_header(int status) {
  switch (status) {
    case 405: return "Allow: GET\r\n";                                                             /* RFC 9110 15.5.6 */
    case 426: return "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"; /* RFC 6455 4.4 */
    case 503: return "Retry-After: 1\r\n";
    default: return "";
  }
}

/* HEAD has no content (RFC 9110 9.3.2), also where its head did not arrive whole. */
static bool asks_for_head(const lwsn_exchange *x) {
  static const char method[] = "HEAD ";
  if (x->head_method) return true;
  uint32_t at = 0;
  while (at + 1 < x->head_size && x->head[at] == '\r' && x->head[at + 1] == '\n') at += 2;
  return x->head_size - at >= sizeof method - 1 && memcmp(x->head + at, method, sizeof method - 1) == 0;
}

void lwsn_refuse(lwsn_exchange *x, int status, const char *why) {
  char response[512], date[LWSN_HTTP_DATE_SIZE];
  lwsn_http_date(time(NULL), date);
  int size = snprintf(response, sizeof response,
                      "HTTP/1.1 %d %s\r\n%sDate: %s\r\nConnection: close\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                      status, status_text(status), extra_header(status), date, strlen(why) + 1);
  if (!asks_for_head(x)) size += snprintf(response + size, sizeof response - (size_t)size, "%s\n", why);
  struct iovec part = {response, (size_t)size};
  if (!x->transport->why) x->transport->why = why; /* for whoever handed the socket over */
  x->transport->server->stats.refused++;
  if (lwsn_send(x->transport, &part, 1)) lwsn_transport_end(x->transport);
}
