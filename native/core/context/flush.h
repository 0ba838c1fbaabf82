#ifndef LWSN_FLUSH_H
#define LWSN_FLUSH_H

#include <stddef.h>
#include <stdint.h>

#include "context/state.h"
#include "crossing/outbound.h"

/** Small frames of one transport are joined up to this much. */
enum { LWSN_STAGING_SIZE = 64 * 1024 };

/**
 * Sends what the out-ring and the publications hold, then reaps. All of one
 * transport leaves in one write where the socket takes it; its order is exact.
 */
void lwsn_outbound_flush(lwsn_context *context);

/**
 * Sends one payload past the ring, behind everything in it: a message with
 * `detail` as in DATA, or raw bytes of a response with LWSN_OPCODE_RAW. The bytes are read
 * during the call only. Returns how many bytes wait natively, or -1 when the
 * handle is dead or may not send any more.
 */
double lwsn_outbound_send(lwsn_context *context, lwsn_handle handle, unsigned detail, const uint8_t *data, size_t size);

#endif
