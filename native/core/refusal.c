#include "refusal.h"

#include <stdio.h>
#include <string.h>

#include "send.h"
#include "server.h"
#include "transport.h"

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

void lwsn_refuse(lwsn_exchange *x, int status, const char *why) {
  char response[512];
  int size = snprintf(response, sizeof response,
                      "HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                      "Content-Length: %zu\r\n\r\n%s\n",
                      status, status_text(status), extra_header(status), strlen(why) + 1, why);
  struct iovec part = {response, (size_t)size};
  x->transport->server->stats.refused++;
  if (lwsn_send(x->transport, &part, 1)) lwsn_transport_end(x->transport);
}
