#ifndef LWSN_LIST_H
#define LWSN_LIST_H

#include <stdbool.h>
#include <stddef.h>

/** Intrusive doubly linked list; a node is in at most one. */
typedef struct lwsn_node {
  struct lwsn_node *next, *prev;
} lwsn_node;

static inline void lwsn_list_init(lwsn_node *list) { list->next = list->prev = list; }

static inline bool lwsn_list_empty(const lwsn_node *list) { return list->next == list; }

static inline void lwsn_list_append(lwsn_node *list, lwsn_node *node) {
  node->prev = list->prev;
  node->next = list;
  list->prev->next = node;
  list->prev = node;
}

/** Idempotent for a node that was initialised as a list of its own. */
static inline void lwsn_list_remove(lwsn_node *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  lwsn_list_init(node);
}

#define LWSN_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
