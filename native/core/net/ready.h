#ifndef LWSN_READY_H
#define LWSN_READY_H

#include "lws/events.h"

/** A descriptor of the environment is ready: its lwsn_ready_fn, owned by the lwsn_services. */
void lwsn_ready(lwsn_watch *watch, int status, int events);

#endif
