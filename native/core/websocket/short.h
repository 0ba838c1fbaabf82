#ifndef LWSN_SHORT_H
#define LWSN_SHORT_H

#include <stddef.h>
#include <stdint.h>

#include "websocket/connection.h"

/**
 * The straight way for what most frames are: a whole message of 1 to LWSN_SHORT_MAX bytes, all of it there and nothing special
 * about it. Takes as many of one kind as stand at the begin of `data`, at most `most`, and tells each by a record.
 *
 * Returns the bytes used. What follows them is something else, wrong, or has no room here: it is for the general way,
 * which also finds out what it is.
 */
size_t lwsn_short_run(lwsn_connection *connection, const uint8_t *data, size_t size, uint32_t most);

#endif
