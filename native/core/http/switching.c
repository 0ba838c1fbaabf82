#include "http/switching.h"

#include <stdio.h>
#include <string.h>

#include "net/send.h"

static bool accept_key(const char key[24], char out[32]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
  char text[24 + sizeof guid - 1];
  memcpy(text, key, 24);
  memcpy(text + 24, guid, sizeof guid - 1);
  return lwsn_sha1_base64(text, sizeof text, out, 32);
}

bool lwsn_switch(lwsn_transport *t, const char key[24], const char *headers, size_t size) {
  char start[160], accept[32];
  if (!accept_key(key, accept)) {
    lwsn_transport_kill(t);
    return false;
  }
  int length = snprintf(start, sizeof start,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n",
                        accept);
  struct iovec parts[3] = {{start, (size_t)length}, {(void *)headers, size}, {(void *)"\r\n", 2}};
  return lwsn_send(t, parts, 3);
}
