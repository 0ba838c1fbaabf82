#include "net/introduction.h"

#include <stdlib.h>
#include <string.h>

#include "net/server.h"

bool lwsn_introduction_keep(lwsn_transport *t, const char *head, size_t size) {
  lwsn_introduction *kept = malloc(sizeof *kept + size);
  if (!kept) return false;
  kept->size = (uint32_t)size;
  memcpy(kept->head, head, size);
  t->introduction = kept;
  t->server->unknown++;
  return true;
}

void lwsn_introduction_drop(lwsn_transport *t) {
  if (!t->introduction) return;
  free(t->introduction);
  t->introduction = NULL;
  t->server->unknown--;
}

bool lwsn_introduce(lwsn_transport *t) {
  const lwsn_introduction *kept = t->introduction;
  if (!kept) return true;
  lwsn_record record = {.kind = LWSN_RECORD_OPEN,
                        .slot = t->handle.slot,
                        .generation = t->handle.generation,
                        .detail = (uint32_t)(t->server->id >> 32),
                        .extra = (uint32_t)t->server->id};
  lwsn_inbound *in = &t->services->inbound;
  lwsn_request_prefix prefix = {t->peer};
  uint8_t *at = lwsn_inbound_reserve(in, &record, sizeof prefix + kept->size, LWSN_KEEP_BATCH);
  if (!at) return false;
  memcpy(at, &prefix, sizeof prefix);
  memcpy(at + sizeof prefix, kept->head, kept->size);
  if (!lwsn_inbound_push(in, &record)) return false;
  lwsn_introduction_drop(t);
  return true;
}
