#ifndef LWSN_GROUP_H
#define LWSN_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/handle.h"
#include "base/list.h"
#include "net/server.h"
#include "wire/shared_frame.h"

struct lwsn_letter;

enum {
  LWSN_GROUP_NAME_MAX = 510,                /* bytes */
  LWSN_LETTERS_MAX = 16 * 1024,             /* that may wait for one context in one group */
  LWSN_LETTER_BYTES_MAX = 16 * 1024 * 1024, /* of their frames together; one alone may have more */
};

/**
 * Servers of one process that share what is published, in whatever threads.
 *
 * This is the one place with state beyond a context: a list of groups, behind one
 * lock that is never held while anything else is called but uv_async_send. A group
 * lives while it has members; a member belongs to its context, one for each group
 * its servers are in. Only the context's thread joins, leaves, opens its letters
 * and frees it; other threads, under the lock, find it in its group, append letters
 * and wake its loop. Its handle is closed when it left the group, so nobody can
 * reach it any more.
 */
typedef struct lwsn_member_of_group {
  struct lwsn_group *group;
  lwsn_services *services;
  lwsn_node in_group; /* under the lock */
  lwsn_node in_services;
  lwsn_node servers; /* of this environment */
  uv_async_t wake;
  /* under the lock: */
  struct lwsn_letter *first, *last;
  uint32_t count;
  size_t bytes;
  uint64_t lost; /* publications that found no room, or no memory */
} lwsn_member_of_group;

/** Joins a group, once in the life of a server. 0, or a negative uv code: then nothing has changed. */
int lwsn_group_join(lwsn_server *server, const uint8_t *name, size_t name_size);

/** Leaves it. Does nothing when it is in none. */
void lwsn_group_leave(lwsn_server *server);

/** Publications of other servers that its context did not take in time, or had no memory for. */
uint64_t lwsn_group_lost(const lwsn_server *server);

/** Whether a publication could reach anybody. */
bool lwsn_group_is_heard(lwsn_server *server, const uint8_t *name, size_t name_size);

/**
 * As lwsn_publish, and also to the subscribers of all other servers of the group,
 * whose answers are not waited for: those of this context get it now, other
 * threads in their next turn, in the order of the calls here, as far as their
 * letters are within the bounds above. What exceeds them, or finds no memory, is
 * lost for that thread and counted there. Returns how many of this context took
 * it, or -1 where memory ran out for this server: then nobody did.
 */
int64_t lwsn_group_publish(lwsn_server *server, const uint8_t *name, size_t name_size, lwsn_handle except,
                           lwsn_shared_frame *frame, bool plain);

#endif
