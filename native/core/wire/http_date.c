#include "wire/http_date.h"

#include <stdio.h>

/* Not strftime: its names follow the locale of the process. */
void lwsn_http_date(time_t at, char out[LWSN_HTTP_DATE_SIZE]) {
  static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm t = {0};
  gmtime_r(&at, &t);
  snprintf(out, LWSN_HTTP_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[(unsigned)t.tm_wday % 7],
           (unsigned)t.tm_mday % 100, months[(unsigned)t.tm_mon % 12], (unsigned)(t.tm_year + 1900) % 10000,
           (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
}
