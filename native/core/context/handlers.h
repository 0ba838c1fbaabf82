#ifndef LWSN_HANDLERS_H
#define LWSN_HANDLERS_H

#include "lws/door.h"

/** What lws's callbacks mean here; `owner` is an lwsn_transport, `memory` an lwsn_exchange or lwsn_connection. */
extern const lwsn_door_table lwsn_handlers;

#endif
