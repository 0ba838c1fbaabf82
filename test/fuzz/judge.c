#include "judge.h"

#include "net/transport.h"
#include "out.h"
#include "reference.h"
#include "websocket/connection.h"
#include "wire.h"

/* RFC 6455 7.4 and the IANA registry. */
static bool may_be_sent(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static bool may_be_told(unsigned code) { return may_be_sent(code) || code == 1005 || code == 1006; }

static void judge_fragment(conversation *c, const event *e) {
  bool first = (e->detail & LWSN_FRAGMENT_FIRST) != 0;
  EXPECT(c->settings.flags & LWSN_CONNECTION_FRAGMENTS);
  EXPECT(first != c->in_message);
  c->message = (first ? 0 : c->message) + e->size;
  c->in_message = (e->detail & LWSN_FRAGMENT_FINAL) == 0;
  EXPECT((double)c->message <= c->settings.max_payload);
}

static void judge_message(const conversation *c, const event *e) {
  EXPECT(!(c->settings.flags & LWSN_CONNECTION_FRAGMENTS));
  EXPECT((double)e->size <= c->settings.max_payload);
  if (e->kind == LWSN_RECORD_BINARY) return;
  EXPECT(reference_utf8(e->data, e->size) == REFERENCE_WHOLE);
  bool ascii = true;
  for (size_t i = 0; i < e->size; i++) ascii = ascii && e->data[i] < 0x80;
  EXPECT(e->detail == ascii);
}

void judge_record(conversation *c, const event *e) {
  switch (e->kind) {
    case LWSN_RECORD_TEXT:
    case LWSN_RECORD_BINARY: judge_message(c, e); break;
    case LWSN_RECORD_FRAGMENT: judge_fragment(c, e); break;
    case LWSN_RECORD_PONG: EXPECT(e->size <= 125 && (c->settings.flags & LWSN_CONNECTION_PONGS)); break;
    case LWSN_RECORD_REQUEST:
      EXPECT(e->size > sizeof(lwsn_peer) && e->size - sizeof(lwsn_peer) <= c->world->server->options.max_header_size);
      break;
    case LWSN_RECORD_RESPONSE: EXPECT(e->size <= c->world->server->options.max_header_size); break;
    case LWSN_RECORD_CLOSED:
      EXPECT(may_be_told(e->detail) && e->extra <= 1 && e->size <= 125);
      EXPECT(e->extra == 0 || e->detail != 1006);
      EXPECT(e->size == 0 || reference_utf8(e->data, e->size) == REFERENCE_WHOLE);
      break;
    default: break;
  }
}

/* RFC 6455 5.2 to 5.5: our frames are final, minimally encoded, masked as our role demands, and end with close. */
static void judge_frame(conversation *c, const uint8_t *head, size_t header, uint64_t size) {
  unsigned opcode = head[0] & 15;
  EXPECT(!c->close_seen);
  EXPECT(head[0] & 0x80);
  EXPECT(opcode == 1 || opcode == 2 || opcode == 8 || opcode == 9 || opcode == 10);
  EXPECT((head[0] & 0x70) == 0 ||
         ((head[0] & 0x70) == 0x40 && opcode < 8 && (c->settings.flags & LWSN_CONNECTION_DEFLATE)));
  EXPECT(((head[1] & 0x80) != 0) == c->settings.client);
  EXPECT(opcode < 8 || size <= 125);
  EXPECT(header == 2 || (header == 4 ? size > 125 : size > 65535));
  EXPECT(opcode != 8 || size != 1);
  c->close_seen = opcode == 8;
}

static bool take_frame(conversation *c, peer *far) {
  const uint8_t *in = peer_bytes(far);
  size_t waiting = peer_waiting(far);
  if (waiting < 2) return false;
  unsigned form = in[1] & 0x7f;
  size_t header = form < 126 ? 2 : form == 126 ? 4 : 10, mask = in[1] & 0x80 ? 4 : 0;
  if (waiting < header + mask) return false;
  uint64_t size = form < 126 ? form : 0;
  for (size_t i = 2; i < header; i++) size = size << 8 | in[i];
  judge_frame(c, in, header, size);
  if (waiting - header - mask < size) return false;
  if ((in[0] & 15) == 8 && size >= 2) {
    const uint8_t none[4] = {0}, *key = mask ? in + header : none, *payload = in + header + mask;
    c->code_sent = (unsigned)(payload[0] ^ key[0]) << 8 | (unsigned)(payload[1] ^ key[1]);
    EXPECT(may_be_sent(c->code_sent));
  }
  peer_take(far, header + mask + (size_t)size);
  return true;
}

void judge_output(conversation *c, peer *far) {
  static const char request[] = WIRE_UPGRADE;
  if (!c->switched && c->settings.client && peer_waiting(far) >= sizeof request - 1) {
    EXPECT(memcmp(peer_bytes(far), request, sizeof request - 1) == 0);
    peer_take(far, sizeof request - 1);
    c->switched = true;
  }
  response r;
  while (!c->switched && !c->settings.client && wire_response(far, &r)) c->switched = r.status == 101;
  bool was_closed = c->close_seen;
  while (c->switched && take_frame(c, far)) was_closed = c->close_seen;
  c->close_seen = was_closed; /* a frame that is not whole yet is judged again */
}

static void judge_pools(const lwsn_inbound *in) {
  EXPECT(in->count == 0 && in->overflow_count == 0 && !in->delivering);
  for (uint32_t i = 0; i < in->table_used; i++) {
    const lwsn_slab *slab = in->table[i];
    EXPECT(!slab || slab == in->small || slab == in->large || slab->lent);
  }
}

void judge_end(world *w, const conversation *c) {
  const lwsn_context *context = w->context;
  const lwsn_server_stats *stats = &w->server->stats;
  EXPECT(stats->transports == 0 && stats->connections == 0);
  EXPECT(stats->opened == stats->closed);
  /* fewer were told of than opened: some that were accepted alone had nothing to tell */
  EXPECT(w->told[LWSN_RECORD_OPEN] == w->told[LWSN_RECORD_CLOSED] && w->told[LWSN_RECORD_OPEN] <= stats->opened);
  EXPECT(w->server->unknown == 0);
  EXPECT(context->services.registry.tenant_count == 0 && context->services.registry.resting_count == 0);
  EXPECT(out_queued(w, c->handle) == 0);
  EXPECT(lwsn_list_empty(&context->services.stalled) && lwsn_list_empty(&context->services.doomed));
  EXPECT(w->server->over_limit == 0 && w->server->peers.used == 0);
  judge_pools(&context->services.inbound);
}
