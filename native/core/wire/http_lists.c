#include "wire/http_lists.h"

#include <string.h>

#include "wire/http_chars.h"

lwsn_slice lwsn_http_trim(const char *p, const char *end) {
  while (p < end && lwsn_is_blank(*p)) p++;
  while (p < end && lwsn_is_blank(end[-1])) end--;
  return (lwsn_slice){p, (size_t)(end - p)};
}

bool lwsn_http_equals(lwsn_slice s, const char *text) {
  if (strlen(text) != s.n) return false;
  for (size_t i = 0; i < s.n; i++)
    if (lwsn_lower(s.p[i]) != lwsn_lower(text[i])) return false;
  return true;
}

/* The comma that ends the element at p, or `end`. */
static const char *element_end(const char *p, const char *end) {
  for (bool quoted = false; p < end; p++) {
    if (*p == '"') quoted = !quoted;
    if (quoted && *p == '\\' && p + 1 < end) p++;
    if (!quoted && *p == ',') return p;
  }
  return end;
}

bool lwsn_http_next(lwsn_slice *list, lwsn_slice *element) {
  if (!list->p) return false;
  const char *end = list->p + list->n, *mark = element_end(list->p, end);
  *element = lwsn_http_trim(list->p, mark);
  *list = mark < end ? (lwsn_slice){mark + 1, (size_t)(end - mark - 1)} : (lwsn_slice){NULL, 0};
  return true;
}

bool lwsn_http_has(lwsn_slice list, const char *token) {
  lwsn_slice element;
  while (lwsn_http_next(&list, &element))
    if (lwsn_http_equals(element, token)) return true;
  return false;
}

static void skip_blanks(lwsn_slice *s) {
  while (s->n > 0 && lwsn_is_blank(*s->p)) s->p++, s->n--;
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
  while (length < s->n && lwsn_is_tchar(s->p[length])) length++;
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
    if (s->n == 0 || !lwsn_is_tchar(*s->p)) return false;
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
