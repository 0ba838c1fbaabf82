#include "wire/shared_frame.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "wire/frame.h"

struct lwsn_shared_frame {
  atomic_uint refs;
  uint8_t first;
  uint8_t header_size;
  size_t payload_size;
  uint8_t memory[]; /* LWSN_FRAME_HEADER_MAX bytes of room, then the payload */
};

lwsn_shared_frame *lwsn_shared_frame_create(size_t size) {
  if (size > SIZE_MAX - sizeof(lwsn_shared_frame) - LWSN_FRAME_HEADER_MAX - 1) return NULL;
  lwsn_shared_frame *frame = malloc(sizeof *frame + LWSN_FRAME_HEADER_MAX + size + 1);
  if (!frame) return NULL;
  atomic_init(&frame->refs, 1);
  frame->first = 0;
  frame->header_size = 0;
  frame->payload_size = size;
  return frame;
}

uint8_t *lwsn_shared_frame_payload(lwsn_shared_frame *frame) { return frame->memory + LWSN_FRAME_HEADER_MAX; }

void lwsn_shared_frame_seal(lwsn_shared_frame *frame, unsigned first) {
  uint8_t *payload = lwsn_shared_frame_payload(frame);
  frame->first = (uint8_t)first;
  frame->header_size = (uint8_t)(payload - lwsn_frame_plain_header(payload, frame->payload_size, first));
}

const uint8_t *lwsn_shared_frame_bytes(const lwsn_shared_frame *frame, size_t *size) {
  *size = frame->header_size + frame->payload_size;
  return frame->memory + LWSN_FRAME_HEADER_MAX - frame->header_size;
}

size_t lwsn_shared_frame_payload_size(const lwsn_shared_frame *frame) { return frame->payload_size; }

unsigned lwsn_shared_frame_first(const lwsn_shared_frame *frame) { return frame->first; }

void lwsn_shared_frame_ref(lwsn_shared_frame *frame) {
  atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
}

void lwsn_shared_frame_unref(lwsn_shared_frame *frame) {
  if (!frame || atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) > 1) return;
  free(frame);
}
