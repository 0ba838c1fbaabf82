#include "http/switching.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <string.h>

#include "net/send.h"

static int accept_key(const char key[24], char out[32]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
  unsigned char text[24 + sizeof guid - 1], hash[20];
  memcpy(text, key, 24);
  memcpy(text + 24, guid, sizeof guid - 1);
  lws_SHA1(text, sizeof text, hash);
  return lws_b64_encode_string((const char *)hash, sizeof hash, out, 32);
}

bool lwsn_switch(lwsn_transport *t, const char key[24], const char *headers, size_t size) {
  char start[160], accept[32];
  if (accept_key(key, accept) < 0) {
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
