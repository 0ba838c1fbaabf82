#ifndef LWSN_MESSAGE_H
#define LWSN_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crossing/inbound.h"
#include "websocket/connection.h"

/**
 * From payloads of data frames to what the other side is told: unmasked, inflated,
 * checked, assembled or streamed. The frames around them are receive.h's.
 */

/** Whether messages are still wanted: after our close frame the peer's data is read over. */
bool lwsn_message_wanted(const lwsn_connection *c);

/** Most bytes of a message, after inflating. */
double lwsn_message_limit(const lwsn_connection *c);

/** How long the other side keeps messages of this kind. */
lwsn_keep lwsn_message_keep(const lwsn_connection *c, uint8_t opcode);

/** The common case: a whole message in one frame, all of its masked payload at once. */
void lwsn_message_whole(lwsn_connection *c, const uint8_t *payload, size_t size);

/** A masked piece of the message in progress; `final`: its last. The bytes may be changed. */
void lwsn_message_piece(lwsn_connection *c, const uint8_t *data, size_t size, bool final);

/** The message in progress is whole. */
void lwsn_message_end(lwsn_connection *c);

/** A pong's application data, unmasked. */
void lwsn_message_pong(lwsn_connection *c, const uint8_t *payload, size_t size);

#endif
