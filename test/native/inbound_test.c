/* The inbound side alone: memory of a burst is not kept, and nothing is written where the reader gave memory away. */
#include "crossing/inbound.h"

#include <string.h>

#include "check.h"

enum { KB = 1024, LENT = 256 * KB };

static lwsn_inbound in;
static bool gone;
static unsigned questions;

static bool is_gone(void *shown) {
  questions++;
  return gone;
}

static void begin(void) {
  lwsn_inbound_init(&in);
  in.is_gone = is_gone;
  gone = false;
  questions = 0;
}

static uint8_t *reserve(size_t size, lwsn_keep keep) {
  lwsn_record record;
  uint8_t *at = lwsn_inbound_reserve(&in, &record, size, keep);
  if (at) memset(at, 1, size);
  return at;
}

/* A batch that shows all slabs to the reader. */
static void batch(void) {
  lwsn_inbound_deliver(&in);
  for (uint32_t i = 0; i < in.table_used; i++)
    if (in.table[i]) in.table[i]->shown = &gone;
  lwsn_inbound_settle(&in);
}

static void lent_memory_of_a_burst_is_not_kept(void) {
  for (int keep = 0; keep < LWSN_KEEP_LONG; keep++) {
    begin();
    for (int i = 0; i < 100; i++) CHECK(reserve(LENT, (lwsn_keep)keep) != NULL);
    CHECK_INT(in.lent[keep].count, 100);
    lwsn_inbound_settle(&in);
    CHECK(in.lent[keep].count > 0 && in.lent[keep].count <= 24);
    CHECK_INT(in.table_used <= 100, true);
    uint32_t kept = in.lent[keep].count;
    for (uint32_t i = 0; i < kept; i++) CHECK(reserve(LENT, (lwsn_keep)keep) != NULL);
    CHECK_INT(in.lent[keep].count, kept);
    lwsn_inbound_free(&in);
  }
}

static void lent_memory_of_unusual_size_is_not_kept(void) {
  begin();
  CHECK(reserve(LENT + 1, LWSN_KEEP_CALL) != NULL);
  lwsn_inbound_settle(&in);
  CHECK_INT(in.lent[LWSN_KEEP_CALL].count, 0);
  CHECK_INT(in.table_used, 0);
  lwsn_inbound_free(&in);
}

static void nobody_writes_where_the_reader_gave_memory_away(void) {
  static const struct {
    lwsn_keep keep;
    size_t size;
  } cases[] = {{LWSN_KEEP_LONG, 10}, {LWSN_KEEP_LONG, 5000}, {LWSN_KEEP_CALL, 10}, {LWSN_KEEP_CALL, 5000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    begin();
    const uint8_t *first = reserve(cases[i].size, cases[i].keep);
    lwsn_slab *slab = in.table[0];
    lwsn_slab_ref(slab); /* the new owner's */
    batch();
    gone = true;
    const uint8_t *next = reserve(cases[i].size, cases[i].keep);
    CHECK_MSG(next && (next < slab->data || next >= slab->data + slab->size), "case %zu writes there", i);
    CHECK(first >= slab->data && first < slab->data + slab->size);
    gone = false;
    batch();
    CHECK(reserve(cases[i].size, cases[i].keep) != NULL);
    lwsn_inbound_free(&in);
    lwsn_slab_unref(slab);
  }
}

static void a_run_asks_as_well(void) {
  begin();
  const uint8_t *first = reserve(10, LWSN_KEEP_LONG);
  batch();
  gone = true;
  lwsn_run run;
  CHECK(lwsn_inbound_begin_run(&in, LWSN_KEEP_LONG, 100, &run));
  CHECK(run.slab->data != first);
  size_t room;
  CHECK(reserve(5000, LWSN_KEEP_LONG) != NULL);
  batch();
  lwsn_slab *before = in.large;
  CHECK(lwsn_inbound_land(&in, LWSN_KEEP_LONG, 5000, &room) != NULL);
  CHECK(in.large != before);
  lwsn_inbound_landed(&in);
  lwsn_inbound_free(&in);
}

static void it_is_asked_once_while_no_reader_runs(void) {
  begin();
  reserve(10, LWSN_KEEP_LONG);
  batch();
  lwsn_inbound_quiet(&in);
  for (int i = 0; i < 10; i++) reserve(10, LWSN_KEEP_LONG);
  CHECK_INT(questions, 1);
  lwsn_inbound_stir(&in);
  for (int i = 0; i < 3; i++) reserve(10, LWSN_KEEP_LONG);
  CHECK_INT(questions, 4);
  lwsn_inbound_quiet(&in);
  reserve(10, LWSN_KEEP_LONG);
  reserve(10, LWSN_KEEP_LONG);
  CHECK_INT(questions, 5);
  lwsn_inbound_free(&in);
}

static void what_no_handler_sees_lies_apart(void) {
  begin();
  reserve(10, LWSN_KEEP_BATCH);
  const lwsn_slab *text = in.table[0];
  reserve(10, LWSN_KEEP_CALL);
  CHECK(in.table[1] != text);
  lwsn_inbound_free(&in);
}

int main(void) {
  lent_memory_of_a_burst_is_not_kept();
  lent_memory_of_unusual_size_is_not_kept();
  nobody_writes_where_the_reader_gave_memory_away();
  a_run_asks_as_well();
  it_is_asked_once_while_no_reader_runs();
  what_no_handler_sees_lies_apart();
  return check_report();
}
