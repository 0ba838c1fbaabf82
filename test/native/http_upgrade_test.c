/* The WebSocket handshake's own conditions (RFC 6455 §4.2.1), on heads that are well-formed HTTP. */
#include "../../native/core/http_head.h"

#include "check.h"

#define HOST "Host: example.org\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"

static const struct {
  const char *name;
  int status;
  const char *text;
} upgrades[] = {
    {"as it should be", 0, GET UPGRADE CONNECTION KEY VERSION "\r\n"},
    {"Content-Length: 0", 0, GET UPGRADE CONNECTION KEY VERSION "Content-Length: 0\r\n\r\n"},
    {"key with + and /", 0, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: ++//++//++//++//++//+w==\r\n\r\n"},
    {"POST", 405, "POST / HTTP/1.1\r\n" HOST UPGRADE CONNECTION KEY VERSION "\r\n"},
    {"HEAD", 405, "HEAD / HTTP/1.1\r\n" HOST UPGRADE CONNECTION KEY VERSION "\r\n"},
    {"HTTP/1.0", 400, "GET / HTTP/1.0\r\n" HOST UPGRADE CONNECTION KEY VERSION "\r\n"},
    {"no Upgrade", 400, GET CONNECTION KEY VERSION "\r\n"},
    {"no Connection", 400, GET UPGRADE KEY VERSION "\r\n"},
    {"Connection without upgrade", 400, GET UPGRADE "Connection: keep-alive\r\n" KEY VERSION "\r\n"},
    {"body with length", 400, GET UPGRADE CONNECTION KEY VERSION "Content-Length: 1\r\n\r\n"},
    {"chunked body", 400, GET UPGRADE CONNECTION KEY VERSION "Transfer-Encoding: chunked\r\n\r\n"},
    {"no version", 426, GET UPGRADE CONNECTION KEY "\r\n"},
    {"version 8", 426, GET UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n\r\n"},
    {"version 013", 426, GET UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 013\r\n\r\n"},
    {"version list", 426, GET UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n"},
    {"empty version", 426, GET UPGRADE CONNECTION KEY "Sec-WebSocket-Version:\r\n\r\n"},
    {"two versions", 400, GET UPGRADE CONNECTION KEY VERSION VERSION "\r\n"},
    {"no key", 400, GET UPGRADE CONNECTION VERSION "\r\n"},
    {"old client without key", 426, GET UPGRADE CONNECTION "\r\n"},
    {"two keys", 400, GET UPGRADE CONNECTION KEY KEY VERSION "\r\n"},
    {"empty key", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key:\r\n\r\n"},
    {"key of 15 bytes", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n\r\n"},
    {"key of 17 bytes", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"},
    {"key of 18 bytes", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n\r\n"},
    {"key of 19 bytes", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"},
    {"key too long", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==A\r\n\r\n"},
    {"key without padding", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n"},
    {"key of base64url", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_-==\r\n\r\n"},
    {"key with SP", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ==\r\n\r\n"},
    {"key with = inside", 400, GET UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: dGhlIHNhbXB=ZSBub25jZQ==\r\n\r\n"},
};

static void checks_the_upgrade(void) {
  for (size_t k = 0; k < sizeof upgrades / sizeof *upgrades; k++) {
    lwsn_http_head h;
    const char *why, *text = upgrades[k].text;
    int status = lwsn_http_head_parse(text, strlen(text), &h, &why);
    CHECK_MSG(status == 0, "%s: %s", upgrades[k].name, why);
    status = lwsn_http_upgrade_check(&h, &why);
    CHECK_MSG(status == upgrades[k].status, "%s: %d, expected %d", upgrades[k].name, status, upgrades[k].status);
    CHECK_MSG((why != NULL) == (status != 0), "%s: sentence", upgrades[k].name);
  }
}

int main(void) {
  checks_the_upgrade();
  return check_report();
}
