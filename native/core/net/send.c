#include "net/send.h"

#include "net/ending.h"
#include "net/tls.h"

bool lwsn_send_shared(lwsn_transport *t, const struct iovec *parts, lwsn_shared_frame *const *owners, int count) {
  return t->tls ? lwsn_tls_send(t, parts, count) : lwsn_output_send(t, parts, owners, count);
}

bool lwsn_send(lwsn_transport *t, const struct iovec *parts, int count) {
  return lwsn_send_shared(t, parts, NULL, count);
}

bool lwsn_send_pending(lwsn_transport *t) {
  bool due = t->queue.first || t->wants_writable;
  if (!lwsn_output_pending(t)) return false;
  if (due && !t->queue.first) lwsn_transport_drained(t);
  return true;
}
