#include "websocket/incoming.h"

#include <stdlib.h>

void lwsn_incoming_clear_message(lwsn_receive *rx, lwsn_inbound *in) {
  if (rx->message_slab) {
    in->expected_bytes -= rx->message_slab->size;
    lwsn_slab_unref(rx->message_slab);
  } else {
    free(rx->message_data);
  }
  rx->message_slab = NULL;
  rx->message_data = NULL;
  rx->message_size = rx->message_capacity = 0;
}

void lwsn_incoming_clear(lwsn_receive *rx, lwsn_inbound *in) {
  lwsn_incoming_clear_message(rx, in);
  free(rx->control);
  rx->control = NULL;
}
