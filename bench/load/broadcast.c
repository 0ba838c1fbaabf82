/* The first `senders` connections send, the server delivers to every connection, the sender too. A sender sends again
 * when all have its message. Payload: sender and sequence (4 bytes each), then bytes that follow from both. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define CELLS_MAX (64u << 20)

struct broadcast {
  uint32_t *expected; /* [connection][sender]: sequence that must come next */
  uint32_t *missing;  /* [sender]: deliveries of its message still to come */
  uint32_t *sequence; /* [sender]: of the message it sends next */
  uint64_t *sent_at;
  uint8_t *gathered; /* [connection]: the message so far */
  uint8_t *scratch;
};

bool broadcast_init(struct load *load) {
  const struct load_options *o = &load->options;
  if ((uint64_t)o->connections * o->senders > CELLS_MAX)
    return load_fail(load, "connections x senders: expected at most %u", CELLS_MAX);
  struct broadcast *b = load->broadcast = calloc(1, sizeof *b);
  if (!b) return load_fail(load, "out of memory");
  b->expected = calloc((size_t)o->connections * o->senders, sizeof *b->expected);
  b->missing = calloc(o->senders, sizeof *b->missing);
  b->sequence = calloc(o->senders, sizeof *b->sequence);
  b->sent_at = calloc(o->senders, sizeof *b->sent_at);
  b->gathered = malloc(o->connections * o->size);
  b->scratch = malloc(o->size);
  return (b->expected && b->missing && b->sequence && b->sent_at && b->gathered && b->scratch) ||
         load_fail(load, "out of memory");
}

void broadcast_free(struct load *load) {
  struct broadcast *b = load->broadcast;
  if (!b) return;
  free(b->expected);
  free(b->missing);
  free(b->sequence);
  free(b->sent_at);
  free(b->gathered);
  free(b->scratch);
  free(b);
}

static bool send_next(struct load *load, uint32_t sender) {
  struct broadcast *b = load->broadcast;
  uint32_t sequence = b->sequence[sender]++;
  memcpy(b->scratch, &sender, 4);
  memcpy(b->scratch + 4, &sequence, 4);
  memcpy(b->scratch + 8, payload_of(&load->payload, sender, sequence), load->options.size - 8);
  b->missing[sender] = load->options.connections;
  load->in_flight += load->options.connections;
  b->sent_at[sender] = measure_now();
  struct conn *conn = &load->conns[sender];
  return conn_send(load, conn, b->scratch, load->options.size) && conn_flush(load, conn);
}

static bool broadcast_start(struct load *load) {
  for (uint32_t i = 0; i < load->options.senders; i++)
    if (!send_next(load, i)) return false;
  return true;
}

static bool nothing(struct load *load, struct conn *conn) {
  (void)load;
  (void)conn;
  return true;
}

static bool broadcast_chunk(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length) {
  memcpy(load->broadcast->gathered + conn->index * load->options.size + conn->message_at, bytes, length);
  return true;
}

static bool broadcast_message(struct load *load, struct conn *conn) {
  struct broadcast *b = load->broadcast;
  const uint8_t *message = b->gathered + conn->index * load->options.size;
  uint32_t sender, sequence;
  memcpy(&sender, message, 4);
  memcpy(&sequence, message + 4, 4);
  if (sender >= load->options.senders)
    return load_fail(load, "connection %u: a message came back changed", conn->index);
  uint32_t *expected = &b->expected[(size_t)conn->index * load->options.senders + sender];
  if (sequence != *expected || sequence >= b->sequence[sender])
    return load_fail(load, "connection %u: expected message %u of sender %u, got %u", conn->index, *expected, sender,
                     sequence);
  if (memcmp(message + 8, payload_of(&load->payload, sender, sequence), load->options.size - 8))
    return load_fail(load, "connection %u: message %u of sender %u came back changed", conn->index, sequence, sender);
  ++*expected;
  load->verified++;
  load->in_flight--;
  if (--b->missing[sender]) return true;
  histogram_add(&load->times, load->read_at - b->sent_at[sender]);
  return !load->sending || send_next(load, sender);
}

const struct work broadcast_work = {broadcast_start, nothing, broadcast_chunk, broadcast_message, nothing, NULL, NULL};
