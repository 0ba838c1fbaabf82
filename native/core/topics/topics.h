#ifndef LWSN_TOPICS_H
#define LWSN_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/server.h"
#include "net/transport.h"

enum { LWSN_TOPIC_NAME_MAX = 510 }; /* bytes */

/** One subscriber as its topic sees it: what a publication walks. */
typedef struct lwsn_member {
  lwsn_transport *transport;
  uint32_t subscription;
} lwsn_member;

/** Lives while it has members. */
typedef struct lwsn_topic {
  struct lwsn_topic *next; /* in its bucket */
  uint64_t hash;
  lwsn_member *members;
  uint32_t count, capacity;
  uint16_t name_size;
  uint8_t name[];
} lwsn_topic;

/** One connection in one topic. Named by its place in the table, from 1. */
typedef struct lwsn_subscription {
  lwsn_topic *topic; /* NULL: a free place */
  lwsn_transport *transport;
  uint32_t member;         /* place among the topic's members */
  uint32_t next, previous; /* of the same transport, 0 at the ends; `next` of a free place: the next free one */
} lwsn_subscription;

/**
 * The topics of one server. It owns topics and subscriptions; a transport knows
 * only the first of its own, and they end with lwsn_topics_leave_all when its
 * connection begins to close. It lives from the first subscription to the last.
 */
typedef struct lwsn_topics {
  lwsn_topic **buckets; /* a power of two of them */
  uint32_t bucket_count;
  uint32_t count; /* topics */
  lwsn_subscription *subscriptions;
  uint32_t subscription_capacity, subscription_used, subscription_free;
  uint32_t subscription_count;
  uint64_t key[2]; /* secret and random */
} lwsn_topics;

/**
 * Subscribes a transport to a topic of its server; the caller sees to it that it does
 * so once per topic. Returns the subscription, or 0 without memory: then nothing
 * has changed.
 */
uint32_t lwsn_topics_join(lwsn_transport *t, const uint8_t *name, size_t size);

/** Ends one subscription. False: it is not one of this transport. */
bool lwsn_topics_leave(lwsn_transport *t, uint32_t subscription);

/** Ends all subscriptions of a transport. Idempotent. */
void lwsn_topics_leave_all(lwsn_transport *t);

/** The topic, or NULL when nobody has subscribed to it. */
lwsn_topic *lwsn_topics_find(const lwsn_server *server, const uint8_t *name, size_t size);

#endif
