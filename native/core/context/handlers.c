#include "context/handlers.h"

#include "http/speech.h"
#include "net/input.h"
#include "net/send.h"
#include "net/transports.h"
#include "websocket/receive.h"
#include "websocket/speech.h"

/* They move nothing themselves: each calls the room that is meant, and none closes a wsi under lws's feet. */

static bool adopted(void *owner, void *memory, lwsn_wsi *wsi, lwsn_watch *watch) {
  lwsn_transport *t = owner;
  t->wsi = wsi;
  lwsn_watch_take(watch, t, &t->watch);
  lwsn_exchange_begin(memory, t);
  return !t->doomed;
}

static void input(void *owner, const uint8_t *data, size_t size) { lwsn_transport_input(owner, data, size); }

static void left(void *memory) { lwsn_exchange_closed(memory); }

static bool established(void *owner, void *memory) { return lwsn_connection_begin(memory, owner); }

static uint8_t *lend(void *memory, size_t *room) { return lwsn_receive_lend(memory, room); }

static void received(void *memory, const uint8_t *data, ssize_t size) { lwsn_receive_came(memory, data, size); }

static void writable(void *owner) { lwsn_send_pending(owner); }

static void closed(void *memory) { lwsn_connection_closed(memory); }

static void destroyed(void *owner) {
  lwsn_transport *t = owner;
  if (t->connection) lwsn_connection_closed(t->connection);
  if (t->exchange) lwsn_exchange_closed(t->exchange);
  lwsn_transport_free(t);
}

const lwsn_door_table lwsn_handlers = {
    .raw_size = sizeof(lwsn_exchange),
    .ws_size = sizeof(lwsn_connection),
    .adopted = adopted,
    .input = input,
    .left = left,
    .established = established,
    .lend = lend,
    .received = received,
    .writable = writable,
    .closed = closed,
    .destroyed = destroyed,
};
