#ifndef LWSN_EVENT_LIBRARY_H
#define LWSN_EVENT_LIBRARY_H

#include <libwebsockets.h>

#include "lws/events.h"

/** The operations to give to lws as `event_lib_custom`, with the lwsn_events as its foreign loop. */
extern const lws_plugin_evlib_t lwsn_event_library;

#endif
