/*
 * Assertions for the C tests. A test file includes this once, states what must hold with CHECK...,
 * and ends its main() with `return check_report();`. A failed assertion prints its place and is
 * counted; the test goes on, so that one run shows every failure.
 */
#ifndef LWSN_TEST_CHECK_H
#define LWSN_TEST_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned long check_passed, check_failed;

/* Counts one assertion; on failure prints file:line and the formatted text. Returns `ok`. */
__attribute__((format(printf, 4, 5))) static inline bool check_that(bool ok, const char *file, int line,
                                                                    const char *format, ...) {
  if (ok) {
    check_passed++;
    return true;
  }
  /* A broken loop must not print without end; the count stays exact. */
  if (check_failed++ >= 50) return false;
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  return false;
}

static inline bool check_int(long long actual, long long expected, const char *what, const char *file, int line) {
  return check_that(actual == expected, file, line, "%s is %lld, expected %lld", what, actual, expected);
}

static inline bool check_bytes(const void *actual, size_t actual_n, const void *expected, size_t expected_n,
                               const char *what, const char *file, int line) {
  bool same = actual_n == expected_n && (actual_n == 0 || memcmp(actual, expected, actual_n) == 0);
  return check_that(same, file, line, "%s is \"%.*s\" (%zu bytes), expected \"%.*s\" (%zu bytes)", what, (int)actual_n,
                    actual_n ? (const char *)actual : "", actual_n, (int)expected_n,
                    expected_n ? (const char *)expected : "", expected_n);
}

/* CHECK(condition); each evaluates to whether it held. */
#define CHECK(condition) check_that((condition), __FILE__, __LINE__, "%s does not hold", #condition)
/* CHECK_MSG(condition, "printf format", ...): for tables, where the text names the case. */
#define CHECK_MSG(condition, ...) check_that((condition), __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_INT(actual, expected) check_int((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)
/* CHECK_BYTES(pointer, length, "string literal or char array with its final NUL") */
#define CHECK_BYTES(p, n, literal) check_bytes((p), (n), (literal), sizeof(literal) - 1, #p, __FILE__, __LINE__)

/* Prints the totals; the value for main() to return: 0 when everything held and anything was checked. */
static inline int check_report(void) {
  printf("%lu passed, %lu failed\n", check_passed, check_failed);
  return check_failed != 0 || check_passed == 0;
}

#endif
