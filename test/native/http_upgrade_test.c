/* The WebSocket handshake's own conditions (RFC 6455 §4.2.1), on heads that are well-formed HTTP. */
#include "wire/http_head.h"

#include "check.h"

#define HOST "Host: example.org\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define VALID GET UPGRADE CONNECTION KEY VERSION
#define EXTENSIONS VALID "Sec-WebSocket-Extensions:"
#define PROTOCOL VALID "Sec-WebSocket-Protocol:"

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
    {"an extension", 0, EXTENSIONS " permessage-deflate\r\n\r\n"},
    {"extensions with parameters", 0, EXTENSIONS "a; b; c=d; e=\"f\", g;h=1\r\n\r\n"},
    {"empty elements among extensions", 0, EXTENSIONS " ,, a , ,b,\r\n\r\n"},
    {"blanks around everything", 0, EXTENSIONS "\ta ; b = c\t; d = \"e\" , f \r\n\r\n"},
    {"an escaped value", 0, EXTENSIONS " a; b=\"c\\de\"\r\n\r\n"},
    {"an unknown extension beside an empty field", 0, EXTENSIONS "\r\nSec-WebSocket-Extensions: a\r\n\r\n"},
    {"a protocol", 0, PROTOCOL " chat\r\n\r\n"},
    {"protocols", 0, PROTOCOL "chat,  superchat ,,x\r\n\r\n"},
    {"protocols in two fields", 0, PROTOCOL " a\r\nSec-WebSocket-Protocol: b\r\n\r\n"},
    {"an empty field of extensions", 400, EXTENSIONS "\r\n\r\n"},
    {"only commas for extensions", 400, EXTENSIONS " ,,\r\n\r\n"},
    {"a parameter without extension", 400, EXTENSIONS "; a\r\n\r\n"},
    {"an empty parameter", 400, EXTENSIONS " a;\r\n\r\n"},
    {"an empty parameter before another", 400, EXTENSIONS " a;; b\r\n\r\n"},
    {"a parameter without name", 400, EXTENSIONS " a; =b\r\n\r\n"},
    {"an empty value", 400, EXTENSIONS " a; b=\r\n\r\n"},
    {"an empty quoted value", 400, EXTENSIONS " a; b=\"\"\r\n\r\n"},
    {"a quoted value with a blank", 400, EXTENSIONS " a; b=\"c d\"\r\n\r\n"},
    {"a quoted value with a comma", 400, EXTENSIONS " a; b=\"c,d\"\r\n\r\n"},
    {"a quoted value with an escaped quote", 400, EXTENSIONS " a; b=\"c\\\"d\"\r\n\r\n"},
    {"a quote that does not end", 400, EXTENSIONS " a; b=\"c\r\n\r\n"},
    {"an escape that does not end", 400, EXTENSIONS " a; b=\"c\\\r\n\r\n"},
    {"a quoted name", 400, EXTENSIONS " \"a\"\r\n\r\n"},
    {"a quoted parameter", 400, EXTENSIONS " a; \"b\"\r\n\r\n"},
    {"two extensions without comma", 400, EXTENSIONS " a b\r\n\r\n"},
    {"two values", 400, EXTENSIONS " a; b=c=d\r\n\r\n"},
    {"text behind a quoted value", 400, EXTENSIONS " a; b=\"c\"d\r\n\r\n"},
    {"an extension with a slash", 400, EXTENSIONS " a/b\r\n\r\n"},
    {"an extension above ASCII", 400, EXTENSIONS " \xc3\xbc\r\n\r\n"},
    {"a bad field behind a good one", 400, EXTENSIONS " a\r\nSec-WebSocket-Extensions: ;\r\n\r\n"},
    {"a bad field before a good one", 400, EXTENSIONS " ;\r\nSec-WebSocket-Extensions: a\r\n\r\n"},
    {"an empty field of protocols", 400, PROTOCOL "\r\n\r\n"},
    {"only commas for protocols", 400, PROTOCOL " , \r\n\r\n"},
    {"a protocol with a blank", 400, PROTOCOL " a b\r\n\r\n"},
    {"a quoted protocol", 400, PROTOCOL " \"a\"\r\n\r\n"},
    {"a protocol with a slash", 400, PROTOCOL " a/b\r\n\r\n"},
    {"a protocol with a parameter", 400, PROTOCOL " a;b\r\n\r\n"},
    {"a bad protocol behind a good one", 400, PROTOCOL " a\r\nSec-WebSocket-Protocol: @\r\n\r\n"},
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
