#include "wire/answer.h"

#include <string.h>

static const char version[] = "HTTP/1.";

bool lwsn_answer_is_interim(const char *p, size_t n) {
  static const char form[] = "HTTP/1.1 199"; /* 9: any digit */
  if (n <= sizeof form - 1 || memcmp(p + 9, "101", 3) == 0) return false;
  for (size_t i = 0; i < sizeof form - 1; i++) {
    bool digit = form[i] == '9' && p[i] >= '0' && p[i] <= '9';
    if (!digit && p[i] != form[i]) return false;
  }
  return p[12] == ' ' || p[12] == '\r';
}

const char *lwsn_answer_wrong(const char *p, size_t n, size_t from) {
  size_t compared = n < sizeof version - 1 ? n : sizeof version - 1;
  if (memcmp(p, version, compared) != 0) return "it does not begin with a status line of HTTP/1.1";
  while (from < n) {
    const char *lf = memchr(p + from, '\n', n - from);
    if (!lf) break;
    if (lf == p || lf[-1] != '\r') return "its head has a line that ends without CR";
    from = (size_t)(lf - p) + 1;
  }
  return NULL;
}
