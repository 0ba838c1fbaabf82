#ifndef LWSN_INBOUND_H
#define LWSN_INBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/handle.h"
#include "base/region.h"
#include "base/slab.h"

/**
 * What a record tells. The numbers are part of the surface to lib/crossing/native.ts. A
 * server is told by its id: the low 32 bits in extra, those above them in slot,
 * or in detail where slot names a transport.
 */
typedef enum lwsn_record_kind {
  LWSN_RECORD_REQUEST = 1, /* payload: lwsn_request_prefix and the head; detail: lwsn_request_flag; extra: server */
  LWSN_RECORD_BODY = 2,    /* payload: a piece of the request body; detail 1: the last one */
  LWSN_RECORD_GONE =
      3, /* an exchange, a held upgrade or the whole transport is over; detail: lwsn_gone; payload: why, where known; extra: errno, or 0 */
  LWSN_RECORD_OPEN = 4, /* ESTABLISHED; with a payload as REQUEST's, and detail, extra its server: see introduction.h */
  LWSN_RECORD_TEXT = 5, /* payload: one whole text message; detail 1: all ASCII */
  LWSN_RECORD_BINARY = 6,     /* payload: one whole binary message */
  LWSN_RECORD_FRAGMENT = 7,   /* payload: a piece of a message; detail: lwsn_fragment_flag */
  LWSN_RECORD_PONG = 8,       /* payload: application data */
  LWSN_RECORD_WRITABLE = 9,   /* the native queue ran empty, or it was asked for */
  LWSN_RECORD_CLOSED = 10,    /* CLOSED; payload: reason; detail: code; extra 1: clean */
  LWSN_RECORD_LISTENER = 11,  /* slot, extra: server; detail: errno of accept; a pause of the listener */
  LWSN_RECORD_FLUSHED = 12,   /* the native queue of an HTTP response ran empty */
  LWSN_RECORD_CONNECTED = 14, /* a client's transport can carry its request */
  LWSN_RECORD_RESPONSE = 15,  /* payload: the head that answers a client's request; detail 1: as much of it as came */
  LWSN_RECORD_CLOSING = 16,   /* it ends: the other side answers when it has sent everything; detail: lwsn_closing */
  LWSN_RECORD_EMPTY = 13,     /* slot, extra: server; a draining server has no transport left */
} lwsn_record_kind;

enum lwsn_request_flag {
  LWSN_REQUEST_UPGRADE = 1,
  LWSN_REQUEST_BODY = 2,
  LWSN_REQUEST_KEEP_ALIVE = 4,
  LWSN_REQUEST_HEAD = 8,
  LWSN_REQUEST_HTTP10 = 16,
  LWSN_REQUEST_EXPECT_CONTINUE = 32,
  LWSN_REQUEST_SECURE = 64,
  /* which fields it has that an upgrade looks at: the others' heads need not be parsed */
  LWSN_REQUEST_PROTOCOLS = 128,
  LWSN_REQUEST_EXTENSIONS = 256,
  LWSN_REQUEST_ORIGIN = 512,
  LWSN_REQUEST_PROXY_TLS = 1024, /* the client spoke TLS with the proxy in front */
  LWSN_REQUEST_SERVER = 11,      /* shift: the bits of the server's id above the 32 in extra */
};

enum lwsn_fragment_flag {
  LWSN_FRAGMENT_FIRST = 1,
  LWSN_FRAGMENT_FINAL = 2,
  LWSN_FRAGMENT_TEXT = 4,
};

enum lwsn_gone {
  LWSN_GONE_PEER = 0,
  LWSN_GONE_TIMEOUT = 1,
  LWSN_GONE_BODY = 2,   /* the body was malformed */
  LWSN_GONE_ANSWER = 3, /* what a client was answered is no response */
};

enum lwsn_closing {
  LWSN_CLOSING_PEER = 0, /* the peer closed, failed or ended its direction; the answer is LWSN_OUT_ANSWER */
  LWSN_CLOSING_OURS = 1, /* more does not fit its backpressure: the answer is LWSN_OUT_CLOSE with 1013 */
};

/** One event. Fixed size; the payload lies in slab `slab` at `offset`. */
typedef struct lwsn_record {
  uint32_t kind;
  uint32_t slot;
  uint32_t generation;
  int32_t slab; /* -1: no payload */
  uint32_t offset;
  uint32_t length;
  uint32_t detail;
  uint32_t extra;
} lwsn_record;

/** How long a payload is kept by the reader, which chooses the slab it lies in. */
typedef enum lwsn_keep {
  LWSN_KEEP_BATCH, /* dead after the batch, and seen by nobody's handler: text, heads, pieces of bodies */
  LWSN_KEEP_CALL,  /* dead after the batch, lent to a handler for its call */
  LWSN_KEEP_LONG,  /* owned by the reader for ever */
} lwsn_keep;

enum {
  LWSN_RING_RECORDS = 4096,
  LWSN_SLABS_MAX = 4096,         /* slabs one batch can refer to */
  LWSN_SMALL_MAX = 4096,         /* payloads up to this share slabs of LWSN_SMALL_SLAB bytes */
  LWSN_SMALL_SLAB = 64 * 1024,   /* at most this much is pinned by one kept small message */
  LWSN_LARGE_MAX = 128 * 1024,   /* payloads up to this share slabs of LWSN_LARGE_SLAB bytes */
  LWSN_LARGE_SLAB = 1024 * 1024, /* at most this much is pinned by one kept larger message; above, each has its own */
};

/**
 * Where one read puts what it gets, so that large payloads are shown where they
 * lie and not copied once more. Open between lwsn_inbound_land and
 * lwsn_inbound_landed; what is reserved meanwhile lies behind it.
 */
typedef struct lwsn_landing {
  lwsn_slab *slab; /* NULL: none is open */
  lwsn_keep keep;
  size_t begin, end; /* in the slab */
  size_t shown;      /* end of the last payload that was shown, or `begin` */
} lwsn_landing;

/** Slabs that are written anew each batch. */
typedef struct lwsn_lent {
  lwsn_slab *first; /* a chain */
  lwsn_slab *current;
  uint32_t count;
} lwsn_lent;

/** Whether the reader has given the memory away that it was shown by `shown`. */
typedef bool (*lwsn_gone_fn)(void *shown);

/**
 * The inbound side of the crossing: records and payloads on their way to one
 * batch call. The ring never drops: what does not fit waits in `overflow` and
 * moves up when the batch was delivered. Without memory for that, an event is
 * refused, and its transport ends; the last record of each transport has had
 * its room since the transport began.
 *
 * Owns the ring, the slabs it is writing and those the pending batch refers to.
 *
 * What handlers see may be given away by them (a transfer of its ArrayBuffer), and is nobody's to write from then on.
 * So before it writes where one has looked it asks `is_gone`; while no handler can run, once for each slab.
 */
typedef struct lwsn_inbound {
  lwsn_region *ring;
  uint32_t count;     /* records in the ring */
  uint64_t delivered; /* records of the batches before */
  lwsn_record *overflow;
  uint32_t overflow_count;
  uint32_t overflow_capacity; /* at least overflow_count + promised */
  uint32_t promised;          /* last records still to come */
  lwsn_slab_pool *small_pool;
  lwsn_slab_pool *large_pool;
  lwsn_slab_pool *own_pool;
  lwsn_slab *small;
  lwsn_slab *large;
  lwsn_lent lent[LWSN_KEEP_LONG]; /* by how long they are kept */
  lwsn_gone_fn is_gone;           /* NULL: the reader gives nothing away */
  uint32_t seen;                  /* counts the times in which no handler runs */
  bool quiet;                     /* this is one */
  lwsn_landing landing;
  lwsn_slab *table[LWSN_SLABS_MAX];
  uint32_t table_used;   /* entries up to here may be taken */
  size_t batch_bytes;    /* payload bytes since the last batch */
  size_t expected_bytes; /* slabs of messages that are being read */
  bool delivering;       /* the ring is being read: what happens meanwhile goes to the overflow */
} lwsn_inbound;

bool lwsn_inbound_init(lwsn_inbound *in);
void lwsn_inbound_free(lwsn_inbound *in);

/** Room for `size` payload bytes; fills the record's slab, offset and length. NULL: no memory, or the table is full. */
uint8_t *lwsn_inbound_reserve(lwsn_inbound *in, lwsn_record *record, size_t size, lwsn_keep keep);

/**
 * Opens a landing of at least `least` bytes (at most LWSN_LARGE_MAX and a frame header) for payloads of this kind.
 * `room` is how much it holds. NULL: no memory; read somewhere else.
 */
uint8_t *lwsn_inbound_land(lwsn_inbound *in, lwsn_keep keep, size_t least, size_t *room);

/**
 * Makes payload bytes that lie in the open landing the record's. False: they do not, or they are small
 * enough that a kept one should not hold a large slab; reserve room and copy.
 */
bool lwsn_inbound_show(lwsn_inbound *in, lwsn_record *record, const uint8_t *payload, size_t size, lwsn_keep keep);

/** Closes the landing: what was not shown is free again. */
void lwsn_inbound_landed(lwsn_inbound *in);

/**
 * Room for records and small payloads that are written one behind the other, without a question for each. Open between
 * lwsn_inbound_begin_run and lwsn_inbound_end_run; nothing else is told or reserved meanwhile.
 */
typedef struct lwsn_run {
  lwsn_slab *slab;
  lwsn_record *next; /* where the next record goes */
  uint32_t records;  /* how many the ring has room for, from the begin of the run */
  uint8_t *at;       /* where the next payload goes */
  size_t room;       /* bytes from there to the end of the slab */
} lwsn_run;

/** Opens a run of payloads of at most `least` bytes each. False: the ring is full or being read, or there is no memory. */
bool lwsn_inbound_begin_run(lwsn_inbound *in, lwsn_keep keep, size_t least, lwsn_run *run);

/** Makes the `size` bytes at `at` the record's; the caller saw that there is room. */
static inline void lwsn_run_place(lwsn_run *run, lwsn_record *record, size_t size) {
  size_t taken = (size + 7) & ~(size_t)7;
  if (taken > run->room) taken = run->room;
  record->slab = run->slab->id;
  record->offset = (uint32_t)(run->slab->size - run->room);
  record->length = (uint32_t)size;
  run->room -= taken;
  run->at += taken;
}

/** Closes it: its first `count` records are told, with `bytes` of payload. */
void lwsn_inbound_end_run(lwsn_inbound *in, const lwsn_run *run, uint32_t count, size_t bytes);

/** Makes a slab of its own the record's payload. False: the table is full; the reference stays the caller's. */
bool lwsn_inbound_adopt(lwsn_inbound *in, lwsn_record *record, lwsn_slab *slab);

/**
 * Where the next record will lie, to make it in place and push it then; any other push overwrites it. NULL: not in
 * the ring.
 */
lwsn_record *lwsn_inbound_next(const lwsn_inbound *in);

/** Appends a record. False: neither ring space nor memory; nothing was appended, and whoever it is about has to end. */
bool lwsn_inbound_push(lwsn_inbound *in, const lwsn_record *record);

/** The place behind the newest record, counted from the beginning: it was delivered when `delivered` has reached it. */
static inline uint64_t lwsn_inbound_end(const lwsn_inbound *in) {
  return in->delivered + in->count + in->overflow_count;
}

/** Keeps room for a last record. False: no memory. */
bool lwsn_inbound_promise(lwsn_inbound *in);

/** The last record will not come. */
void lwsn_inbound_renounce(lwsn_inbound *in);

/** Appends a last record, in the room that was promised to it. Cannot fail. */
void lwsn_inbound_push_last(lwsn_inbound *in, const lwsn_record *record);

/** Whether the parser may go on: ring space for one more message and payload budget of this turn. */
bool lwsn_inbound_has_room(const lwsn_inbound *in);

/** Before delivery: freezes the ring. */
void lwsn_inbound_deliver(lwsn_inbound *in);

/** After delivery: drops what the batch referred to, moves the overflow up. */
void lwsn_inbound_settle(lwsn_inbound *in);

/** The reader can do nothing until lwsn_inbound_stir. */
void lwsn_inbound_quiet(lwsn_inbound *in);

/** The reader runs, or may. */
void lwsn_inbound_stir(lwsn_inbound *in);

/** Stops writing into a slab, since its reader gave the memory away. */
void lwsn_inbound_abandon(lwsn_inbound *in, int32_t slab);

#endif
