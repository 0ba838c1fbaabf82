#ifndef LWSN_HTTP_SPEECH_H
#define LWSN_HTTP_SPEECH_H

#include "http/exchange.h"

/** `adopted`: the transport speaks HTTP from now on, unless the header of the PROXY protocol comes first. */
void lwsn_exchange_begin(lwsn_exchange *x, lwsn_transport *t);

#endif
