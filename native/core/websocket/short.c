#include "websocket/short.h"

#include "net/server.h"
#include "websocket/message.h"
#include "wire/frame.h"
#include "wire/mask.h"

enum {
  FINAL_TEXT = 0x80 | LWSN_OP_TEXT,
  FINAL_BINARY = 0x80 | LWSN_OP_BINARY,
};

/* Nothing is half read, nobody has to be introduced first, and whole messages are wanted. */
static bool may_run(const lwsn_connection *c) {
  const lwsn_receive *rx = &c->rx;
  return rx->header_size == 0 && rx->message == 0 && !c->fragments && !c->transport->introduction &&
         lwsn_message_wanted(c);
}

static size_t longest_of(const lwsn_connection *c) {
  double limit = lwsn_message_limit(c);
  return limit < LWSN_SHORT_MAX ? (size_t)limit : LWSN_SHORT_MAX;
}

/* Flattened: the calls would cost as much as the work; what is rare in them is declared noinline. */
__attribute__((flatten)) size_t lwsn_short_run(lwsn_connection *c, const uint8_t *data, size_t size, uint32_t most) {
  static const uint8_t no_mask[4];
  if (size < 2 || !may_run(c) || (data[0] != FINAL_TEXT && data[0] != FINAL_BINARY)) return 0;
  const uint8_t first = data[0], masked = c->client ? 0 : 0x80;
  if ((data[1] ^ masked) > LWSN_SHORT_MAX) return 0; /* before room is made for it */
  const size_t header = c->client ? 2 : 6, longest = longest_of(c);
  const lwsn_handle handle = c->transport->handle;
  lwsn_inbound *in = &c->transport->services->inbound;
  lwsn_run run;
  if (!lwsn_inbound_begin_run(in, lwsn_message_keep(c, first & 0x0f), LWSN_SHORT_MAX, &run)) return 0;
  if (most > run.records) most = run.records;
  const uint8_t *p = data;
  uint32_t count = 0;
  for (; count < most && run.room >= LWSN_SHORT_MAX; count++) {
    size_t left = size - (size_t)(p - data);
    if (left < header || p[0] != first) break;
    size_t length = p[1] ^ masked;
    if (length == 0 || length > longest || left < header + length) break;
    lwsn_unmask(run.at, p + header, length, c->client ? no_mask : p + 2, 0);
    if (first == FINAL_TEXT && !lwsn_utf8_whole(&c->rx.utf8, run.at, length)) break;
    lwsn_record *record = run.next++;
    record->kind = first == FINAL_TEXT ? LWSN_RECORD_TEXT : LWSN_RECORD_BINARY;
    record->slot = handle.slot;
    record->generation = handle.generation;
    record->detail = first == FINAL_TEXT && c->rx.utf8.ascii;
    record->extra = 0;
    lwsn_run_place(&run, record, length);
    p += header + length;
  }
  lwsn_inbound_end_run(in, &run, count, (size_t)(p - data) - count * header);
  if (count > 0) {
    c->rx.large = 0;
    c->told = lwsn_inbound_end(in);
  }
  c->transport->server->stats.messages_received += count;
  return (size_t)(p - data);
}
