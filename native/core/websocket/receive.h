#ifndef LWSN_RECEIVE_H
#define LWSN_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "websocket/connection.h"

/** Where lws is to read, `room` bytes; lwsn_receive_came follows. NULL: no input is wanted now. */
uint8_t *lwsn_receive_lend(lwsn_connection *connection, size_t *room);

/** RECEIVE: parses what was read to where it was lent; `size` as of `received` (lws/door.h). */
void lwsn_receive_came(lwsn_connection *connection, const uint8_t *data, ssize_t size);

/** Parses input; what cannot be taken now is kept. */
void lwsn_receive_input(lwsn_connection *connection, const uint8_t *data, size_t size);

/** Whether the parser would take input now. */
bool lwsn_receive_may_go_on(const lwsn_connection *connection);

/** The peer's FIN was noticed while input is held: where nothing lies before it, that is the end of input. */
void lwsn_receive_peer_left(lwsn_connection *connection);

/**
 * Where a connection of large messages wants what it reads next, so that they are shown without a copy: `room` bytes, which
 * are filled in pieces of at most `piece`. Ends with lwsn_inbound_landed. NULL: anywhere else.
 */
uint8_t *lwsn_receive_land(const lwsn_connection *connection, size_t piece, size_t *room);

#endif
