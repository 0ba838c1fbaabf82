#include "http_lists.h"

static void skip_blanks(lwsn_slice *s) {
  while (s->n > 0 && (*s->p == ' ' || *s->p == '\t')) s->p++, s->n--;
}

static bool take(lwsn_slice *s, char mark) {
  skip_blanks(s);
  if (s->n == 0 || *s->p != mark) return false;
  s->p++, s->n--;
  return true;
}

static bool take_token(lwsn_slice *s) {
  skip_blanks(s);
  size_t length = 0;
  while (length < s->n && lwsn_http_is_token(s->p + length, 1)) length++;
  s->p += length, s->n -= length;
  return length > 0;
}

/* Behind the opening quote: tchars, each perhaps escaped, and the closing quote. */
static bool take_quoted(lwsn_slice *s) {
  for (size_t length = 0; s->n > 0; length++) {
    if (*s->p == '"') {
      s->p++, s->n--;
      return length > 0;
    }
    if (*s->p == '\\') s->p++, s->n--;
    if (s->n == 0 || !lwsn_http_is_token(s->p, 1)) return false;
    s->p++, s->n--;
  }
  return false;
}

static bool take_extension(lwsn_slice *s) {
  if (!take_token(s)) return false;
  while (take(s, ';')) {
    if (!take_token(s)) return false;
    if (take(s, '=') && !(take(s, '"') ? take_quoted(s) : take_token(s))) return false;
  }
  return true;
}

static int count(lwsn_slice list, bool (*take_element)(lwsn_slice *)) {
  int found = 0;
  do {
    while (take(&list, ',')) continue;
    if (list.n == 0) return found;
    if (!take_element(&list)) return -1;
    found++;
  } while (take(&list, ','));
  return list.n == 0 ? found : -1;
}

int lwsn_http_count_tokens(lwsn_slice list) { return count(list, take_token); }

int lwsn_http_count_extensions(lwsn_slice list) { return count(list, take_extension); }
