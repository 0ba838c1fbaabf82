/* What a client knows of an answer before its head is whole (RFC 9112 4). */
#include "wire/answer.h"

#include <string.h>

#include "check.h"

static const struct {
  const char *text;
  bool interim;
} heads[] = {
    {"HTTP/1.1 100 Continue\r\n\r\n", true},
    {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", true},
    {"HTTP/1.1 199\r\n\r\n", true},
    {"HTTP/1.1 102 \r\n\r\n", true},
    {"HTTP/1.1 101 x\r\n\r\n", false},
    {"HTTP/1.1 200 OK\r\n\r\n", false},
    {"HTTP/1.0 100 x\r\n\r\n", false},
    {"HTTP/1.1 1000 x\r\n\r\n", false},
    {"HTTP/1.1 1", false},
    {"", false},
};

static void another_head_follows_an_interim_one(void) {
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
    CHECK_MSG(lwsn_answer_is_interim(heads[i].text, strlen(heads[i].text)) == heads[i].interim, "%s", heads[i].text);
}

/* `after`: bytes that are needed to see it; 0: never. */
static const struct {
  const char *text;
  size_t after;
} parts[] = {
    {"HTTP/1.1 403 Forbidden\r\nA: b\r\n", 0},
    {"SSH-2.0-x\r\n", 1},
    {"HTTPS", 5},
    {"HTTP/2 101\r\n", 6},
    {"\r\nHTTP/1.1", 1},
    {"\x15\x03\x01", 1},
    {"HTTP/1.1 403\nA: b\r\n", 13},
    {"HTTP/1.1 403\r\nA: b\n", 19},
    {"HTTP/1.1 403\r\n\n", 15},
};

static void what_can_be_no_head_is_known_at_the_byte_that_decides(void) {
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    size_t size = strlen(parts[i].text), seen = 0;
    for (size_t n = 1; n <= size && !seen; n++)
      if (lwsn_answer_wrong(parts[i].text, n, n - 1)) seen = n;
    CHECK_MSG(seen == parts[i].after, "case %zu: after %zu bytes", i, seen);
    const char *why = lwsn_answer_wrong(parts[i].text, size, 0);
    CHECK_MSG(!why == !parts[i].after, "case %zu: at once: %s", i, why ? why : "nothing");
  }
}

int main(void) {
  another_head_follows_an_interim_one();
  what_can_be_no_head_is_known_at_the_byte_that_decides();
  return check_report();
}
