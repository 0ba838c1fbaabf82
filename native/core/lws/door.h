#ifndef LWSN_DOOR_H
#define LWSN_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lws/events.h"
#include "lws/wsi.h"

/**
 * What lws tells, in the order of a life: `adopted`, `input` …, `left`, or after a promotion (lwsn_wsi_promote) `left`,
 * `established`, `lend`, `received` …, `closed`; `destroyed` at the end of each. `owner` is whom lwsn_door_adopt named. `memory`
 * is lws's per-session memory, zeroed before `adopted` and `established`, freed after `left` and `closed`.
 *
 * `lend` gives lws memory to read into, NULL where no input is wanted now; then, and only then, comes `received` with so many
 * bytes of it, or 0: there was nothing, -1: the end of input, -2: a failed socket.
 *
 * No wsi may be closed in them: what answers false is closed by lws. `destroyed` is the one that is certain (facts 1.4):
 * `memory` of `left` and `closed` may never have been seen before, and they may not come at all.
 */
typedef struct lwsn_door_table {
  size_t raw_size, ws_size; /* of the memory */
  bool (*adopted)(void *owner, void *memory, lwsn_wsi *wsi, lwsn_watch *watch);
  void (*input)(void *owner, const uint8_t *data, size_t size);
  void (*left)(void *memory);
  bool (*established)(void *owner, void *memory);
  uint8_t *(*lend)(void *memory, size_t *room);
  void (*received)(void *memory, const uint8_t *data, ssize_t size);
  void (*writable)(void *owner);
  void (*closed)(void *memory);
  void (*destroyed)(void *owner);
} lwsn_door_table;

/** The lws context of an environment. */
typedef struct lwsn_door lwsn_door;

/**
 * Makes it on a running loop; `table` lives as long as it. False: lws could not, and `*door`, unless it is NULL, is
 * closed and freed as after a success.
 */
bool lwsn_door_open(lwsn_door **door, lwsn_loop *loop, const lwsn_door_table *table, lwsn_ready_fn on_ready,
                    void *owner);

/** Closes every wsi, and lws with them. */
void lwsn_door_close(lwsn_door *door);

/** Frees what its descriptors needed until uv let go of them: when the loop is closed. NULL is allowed. */
void lwsn_door_free(lwsn_door *door);

/** What `owner` was when it was opened. */
static inline void *lwsn_watch_owner(const lwsn_watch *watch) { return watch->events->owner; }

/** lws's own timers and what it postponed; once in a turn. How many milliseconds the loop may sleep for it, -1: for ever. */
int64_t lwsn_door_serve(lwsn_door *door);

/**
 * Gives lws a descriptor, which it owns from now on. False: it is closed; `destroyed` came, unless it failed before
 * there was a wsi.
 */
bool lwsn_door_adopt(lwsn_door *door, int fd, void *owner);

/** Random bytes of the system. */
void lwsn_door_random(lwsn_door *door, void *bytes, size_t size);

/** SHA-1 in base64, 28 characters and a NUL. False: it does not fit. */
bool lwsn_sha1_base64(const void *data, size_t size, char *out, size_t room);

/** lws says nothing on stderr from now on, in the whole process. */
void lwsn_door_silence(void);

/** Its version. */
const char *lwsn_door_version(void);

#endif
