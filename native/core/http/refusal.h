#ifndef LWSN_REFUSAL_H
#define LWSN_REFUSAL_H

#include "http/exchange.h"

/**
 * Answers what no handler needs to see with an error status and `why` as the body,
 * then ends the transport. `why` is static text without a line break.
 */
void lwsn_refuse(lwsn_exchange *x, int status, const char *why);

#endif
