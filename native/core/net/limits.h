#ifndef LWSN_LIMITS_H
#define LWSN_LIMITS_H

#include "net/transport.h"

/** Counts a transport for its peer's address, where that is limited. False: no memory. */
bool lwsn_limits_count(lwsn_transport *t);

/** Takes that back; does nothing when it was not counted. */
void lwsn_limits_uncount(lwsn_transport *t);

/**
 * Marks a transport that was just counted and exceeds a limit. It is counted no
 * longer: while it is told so and goes away, it takes nobody's place.
 */
void lwsn_limits_apply(lwsn_transport *t);

#endif
