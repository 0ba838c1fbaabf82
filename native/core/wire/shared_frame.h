#ifndef LWSN_SHARED_FRAME_H
#define LWSN_SHARED_FRAME_H

#include <stddef.h>
#include <stdint.h>

/**
 * A whole unmasked frame that many connections send (RFC 6455 5.1: a server's
 * frames are the same for everyone). Nobody writes it once it was sealed.
 *
 * Whoever keeps it past a call has a reference: the publication of a flush, each
 * chunk that a full socket left behind, each letter to another thread. The last
 * one frees it. References may be dropped on any thread.
 */
typedef struct lwsn_shared_frame lwsn_shared_frame;

/** Room for `size` payload bytes and one more, with one reference. NULL: no memory. */
lwsn_shared_frame *lwsn_shared_frame_create(size_t size);

/** The payload, to be written before it is sealed. */
uint8_t *lwsn_shared_frame_payload(lwsn_shared_frame *frame);

/** Writes the header of a final frame; `first` is an opcode, perhaps with LWSN_FRAME_COMPRESSED. */
void lwsn_shared_frame_seal(lwsn_shared_frame *frame, unsigned first);

/** The sealed bytes, header and payload. */
const uint8_t *lwsn_shared_frame_bytes(const lwsn_shared_frame *frame, size_t *size);

size_t lwsn_shared_frame_payload_size(const lwsn_shared_frame *frame);

/** As given when it was sealed. */
unsigned lwsn_shared_frame_first(const lwsn_shared_frame *frame);

void lwsn_shared_frame_ref(lwsn_shared_frame *frame);
/** NULL is allowed. */
void lwsn_shared_frame_unref(lwsn_shared_frame *frame);

#endif
