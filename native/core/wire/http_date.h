#ifndef LWSN_HTTP_DATE_H
#define LWSN_HTTP_DATE_H

#include <time.h>

enum { LWSN_HTTP_DATE_SIZE = 30 };

/** IMF-fixdate (RFC 9110 5.6.7), as "Sun, 06 Nov 1994 08:49:37 GMT"; for years up to 9999. */
void lwsn_http_date(time_t at, char out[LWSN_HTTP_DATE_SIZE]);

#endif
