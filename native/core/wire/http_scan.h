/*
 * Judges a request head while it arrives, byte by byte, so that what can be no request (TLS, SSH, a bare LF) is
 * refused at the first byte that decides. It sees the characters alone: what it accepts is still to be parsed.
 */
#ifndef LWSN_HTTP_SCAN_H
#define LWSN_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For this file's functions only; zeroed at first. */
typedef struct lwsn_http_scan {
  size_t at; /* bytes looked at */
  uint8_t state;
  uint8_t place; /* in the version */
} lwsn_http_scan;

/*
 * Goes on with what was added to p[0..n), which begins as it did before. False: whatever follows, lwsn_http_head_parse()
 * would refuse it with 400.
 */
bool lwsn_http_scan_more(lwsn_http_scan *s, const char *p, size_t n);

#endif
