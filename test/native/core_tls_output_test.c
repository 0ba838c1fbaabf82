/* Output under TLS: what one flush sends leaves in one call, and no message leaves memory behind. */
#include <malloc.h>
#include <stdlib.h>

#include "check.h"
#include "context/flush.h"
#include "out.h"
#include "tls_peer.h"
#include "wire.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void pump_until(world *w, tls_peer *p, size_t waiting) {
  CHECK_SOON(w, (tls_peer_pump(p), peer_waiting(&p->plain) >= waiting));
}

/* Takes all frames that are there; returns how many. */
static unsigned take_frames(tls_peer *p) {
  frame f;
  unsigned count = 0;
  while (wire_next(&p->plain, &f)) count++;
  return count;
}

static void a_large_message_leaves_no_memory_behind(void) {
  enum { PEERS = 4 };
  const size_t size = world_is_slow() ? 1024 * 1024 : 8 * 1024 * 1024;
  uint8_t *content = malloc(size);
  wire_fill(content, size);
  for (int v = 0; v < 2; v++) {
    world w;
    static tls_peer peers[PEERS];
    lwsn_handle handles[PEERS];
    tls_world_begin(&w);
    for (int i = 0; i < PEERS; i++) {
      tls_peer_open(&w, &peers[i], versions[v], 0);
      handles[i] = world_last(&w, LWSN_RECORD_OPEN)->handle;
      out_message(&w, handles[i], 2, "first", 5); /* the memory of the context is there */
      pump_until(&w, &peers[i], 7);
      take_frames(&peers[i]);
    }
    size_t peers_hold = 0;
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < PEERS; i++) {
      tls_peer *p = &peers[i];
      frame f = {0};
      size_t held = p->raw->in_capacity + p->raw->out_size;
      out_message(&w, handles[i], 2, content, size);
      CHECK_SOON(&w, (tls_peer_pump(p), wire_next(&p->plain, &f)));
      CHECK(f.size == size && memcmp(f.data, content, size) == 0);
      CHECK_INT(out_queued(&w, handles[i]), 0);
      peers_hold += p->raw->in_capacity + p->raw->out_size - held;
      free(p->plain.in);
      p->plain.in = NULL;
      p->plain.in_size = p->plain.in_taken = p->plain.in_capacity = 0;
    }
    struct mallinfo2 after = mallinfo2();
    size_t grown = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd - peers_hold;
    /* the sizes of the peers' own OpenSSL, which is not what is tested, vary */
    CHECK_MSG((long)grown < (long)size / 4, "%ld bytes more are held by %d connections", (long)grown, PEERS);
    for (int i = 0; i < PEERS; i++) tls_peer_free(&peers[i]);
    CHECK(world_end(&w));
  }
  free(content);
}

/* What the core sends in one call comes in one packet. */
static unsigned packets(world *w, tls_peer *p, unsigned frames) {
  static uint8_t packet[256 * 1024];
  unsigned count = 0;
  ssize_t n;
  peer_read(p->raw, false);
  lwsn_outbound_flush(w->context);
  while ((n = recv(p->raw->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
    BIO_write(SSL_get_rbio(p->ssl), packet, (int)n);
    count++;
  }
  peer_read(p->raw, true);
  tls_peer_pump(p);
  const uint8_t *in = peer_bytes(&p->plain);
  size_t at = 0, waiting = peer_waiting(&p->plain);
  for (; frames > 0 && at + 8 <= waiting; frames--) { /* masked, of 126 bytes and more */
    uint64_t size = (uint64_t)in[at + 2] << 8 | in[at + 3];
    at += 8 + size;
  }
  CHECK_INT(frames, 0);
  CHECK_INT(at, waiting);
  peer_take(&p->plain, waiting);
  return count;
}

static void the_records_of_one_flush_leave_in_one_call(void) {
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    lwsn_handle handle;
    uint8_t content[4000];
    world_begin(&w, NULL);
    tls_peer_serve(&w, &p, versions[v], SOCK_SEQPACKET, &handle);
    wire_fill(content, sizeof content);
    out_message(&w, handle, 2, content, 1000); /* one record */
    CHECK_INT(packets(&w, &p, 1), 1);
    for (int i = 0; i < 20; i++) out_message(&w, handle, 2, content, 200); /* joined into one */
    CHECK_INT(packets(&w, &p, 20), 1);
    for (int i = 0; i < 15; i++) out_message(&w, handle, 2, content, 4000); /* four of them */
    CHECK_INT(packets(&w, &p, 15), 1);
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

static void a_client_masks_and_sends_whatever_the_size(void) {
  static const size_t sizes[] = {126, 4096, 16373, 16384, 16385, 32768, 65535};
  static uint8_t content[65536];
  wire_fill(content, sizeof content);
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    lwsn_handle handle;
    world_begin(&w, NULL);
    tls_peer_serve(&w, &p, versions[v], SOCK_STREAM, &handle);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      out_message(&w, handle, 2, content, sizes[i]);
      pump_until(&w, &p, 8 + sizes[i]);
      const uint8_t *in = peer_bytes(&p.plain);
      bool right = in[0] == WIRE_BINARY && in[1] == (0x80 | 126) && ((size_t)in[2] << 8 | in[3]) == sizes[i];
      for (size_t k = 0; right && k < sizes[i]; k++) right = (in[8 + k] ^ in[4 + (k & 3)]) == content[k];
      CHECK_MSG(right, "size %zu", sizes[i]);
      peer_take(&p.plain, peer_waiting(&p.plain));
    }
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

static void a_peer_that_does_not_read_gets_everything_in_order_later(void) {
  enum { COUNT = 900, SIZE = 30000 };
  static uint8_t content[SIZE];
  wire_fill(content, SIZE);
  for (int v = 0; v < 2; v++) {
    world w;
    tls_peer p;
    frame f;
    tls_world_begin(&w);
    tls_peer_open(&w, &p, versions[v], 0);
    lwsn_handle handle = world_last(&w, LWSN_RECORD_OPEN)->handle;
    peer_read(p.raw, false);
    for (uint32_t i = 0; i < COUNT; i++) {
      size_t size = i % 3 == 0 ? SIZE : i % 3 == 1 ? 3000 : 30;
      memcpy(content, &i, 4);
      out_message(&w, handle, 2, content, size);
    }
    lwsn_outbound_flush(w.context);
    CHECK(out_queued(&w, handle) > 0);
    peer_read(p.raw, true);
    for (uint32_t i = 0; i < COUNT; i++) {
      size_t size = i % 3 == 0 ? SIZE : i % 3 == 1 ? 3000 : 30;
      memcpy(content, &i, 4);
      CHECK_SOON(&w, (tls_peer_pump(&p), wire_next(&p.plain, &f)));
      CHECK(f.size == size && memcmp(f.data, content, size) == 0);
    }
    CHECK_SOON(&w, world_told(&w, LWSN_RECORD_WRITABLE) > 0);
    CHECK_INT(out_queued(&w, handle), 0);
    tls_peer_free(&p);
    CHECK(world_end(&w));
  }
}

int main(void) {
  a_large_message_leaves_no_memory_behind();
  the_records_of_one_flush_leave_in_one_call();
  a_client_masks_and_sends_whatever_the_size();
  a_peer_that_does_not_read_gets_everything_in_order_later();
  tls_peer_forget();
  return check_report();
}
