#include "topics/topics.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { BUCKETS_MIN = 16, SUBSCRIPTIONS_MIN = 16, MEMBERS_MIN = 4 };

static lwsn_topics *create(lwsn_server *server) {
  lwsn_topics *topics = calloc(1, sizeof *topics);
  if (!topics) return NULL;
  lwsn_door_random(server->services->door, topics->key, sizeof topics->key);
  server->topics = topics;
  return topics;
}

/* An idle server keeps nothing of its busy hours. */
static void forget_when_empty(lwsn_server *server) {
  lwsn_topics *topics = server->topics;
  if (topics->subscription_count > 0) return;
  free(topics->subscriptions);
  free(topics->buckets);
  free(topics);
  server->topics = NULL;
}

static lwsn_topic **bucket_of(const lwsn_topics *topics, uint64_t hash) {
  return &topics->buckets[hash & (topics->bucket_count - 1)];
}

static lwsn_topic *find(const lwsn_topics *topics, uint64_t hash, const uint8_t *name, size_t size) {
  if (!topics->buckets) return NULL;
  lwsn_topic *topic = *bucket_of(topics, hash);
  while (topic && !(topic->hash == hash && topic->name_size == size && memcmp(topic->name, name, size) == 0))
    topic = topic->next;
  return topic;
}

lwsn_topic *lwsn_topics_find(const lwsn_server *server, const uint8_t *name, size_t size) {
  const lwsn_topics *topics = server->topics;
  return topics ? find(topics, lwsn_hash(topics->key, name, size), name, size) : NULL;
}

/* False: everything is as it was, with longer chains where there are buckets. */
static bool resize_buckets(lwsn_topics *topics, uint32_t bucket_count) {
  lwsn_topics resized = {.bucket_count = bucket_count, .buckets = calloc(bucket_count, sizeof(lwsn_topic *))};
  if (!resized.buckets) return false;
  for (uint32_t i = 0; i < topics->bucket_count; i++) {
    for (lwsn_topic *topic = topics->buckets[i], *next; topic; topic = next) {
      next = topic->next;
      lwsn_topic **bucket = bucket_of(&resized, topic->hash);
      topic->next = *bucket;
      *bucket = topic;
    }
  }
  free(topics->buckets);
  topics->buckets = resized.buckets;
  topics->bucket_count = bucket_count;
  return true;
}

static lwsn_topic *create_topic(lwsn_topics *topics, uint64_t hash, const uint8_t *name, size_t size) {
  bool crowded = topics->count >= topics->bucket_count;
  uint32_t wanted = topics->bucket_count ? topics->bucket_count * 2 : BUCKETS_MIN;
  if (crowded && !resize_buckets(topics, wanted) && !topics->buckets) return NULL;
  lwsn_topic *topic = malloc(sizeof *topic + size);
  if (!topic) return NULL;
  memset(topic, 0, sizeof *topic);
  topic->hash = hash;
  topic->name_size = (uint16_t)size;
  memcpy(topic->name, name, size);
  lwsn_topic **bucket = bucket_of(topics, hash);
  topic->next = *bucket;
  *bucket = topic;
  topics->count++;
  return topic;
}

static void free_topic(lwsn_topics *topics, lwsn_topic *topic) {
  lwsn_topic **link = bucket_of(topics, topic->hash);
  while (*link != topic) link = &(*link)->next;
  *link = topic->next;
  free(topic->members);
  free(topic);
  topics->count--;
  if (topics->bucket_count > BUCKETS_MIN && topics->count < topics->bucket_count / 4)
    resize_buckets(topics, topics->bucket_count / 2);
}

/* A failed shrinking changes nothing. */
static bool resize_members(lwsn_topic *topic, uint32_t capacity) {
  lwsn_member *resized = realloc(topic->members, capacity * sizeof *resized);
  if (!resized) return false;
  topic->members = resized;
  topic->capacity = capacity;
  return true;
}

static bool room_for_subscription(lwsn_topics *topics) {
  if (topics->subscription_free || topics->subscription_used + 1 < topics->subscription_capacity) return true;
  uint32_t capacity = topics->subscription_capacity ? topics->subscription_capacity * 2 : SUBSCRIPTIONS_MIN;
  if (capacity < topics->subscription_capacity) return false;
  lwsn_subscription *grown = realloc(topics->subscriptions, capacity * sizeof *grown);
  if (!grown) return false;
  topics->subscriptions = grown;
  topics->subscription_capacity = capacity;
  return true;
}

static uint32_t take_place(lwsn_topics *topics) {
  uint32_t place = topics->subscription_free;
  if (place)
    topics->subscription_free = topics->subscriptions[place].next;
  else
    place = ++topics->subscription_used;
  topics->subscription_count++;
  return place;
}

static void give_place(lwsn_topics *topics, uint32_t place) {
  topics->subscriptions[place].topic = NULL;
  topics->subscriptions[place].next = topics->subscription_free;
  topics->subscription_free = place;
  topics->subscription_count--;
}

static uint32_t join(lwsn_topics *topics, lwsn_transport *t, const uint8_t *name, size_t size) {
  if (!room_for_subscription(topics)) return 0;
  uint64_t hash = lwsn_hash(topics->key, name, size);
  lwsn_topic *topic = find(topics, hash, name, size);
  if (!topic) topic = create_topic(topics, hash, name, size);
  if (!topic) return 0;
  if (topic->count == topic->capacity && !resize_members(topic, topic->capacity ? topic->capacity * 2 : MEMBERS_MIN)) {
    if (topic->count == 0) free_topic(topics, topic);
    return 0;
  }
  uint32_t place = take_place(topics);
  topics->subscriptions[place] =
      (lwsn_subscription){.topic = topic, .transport = t, .member = topic->count, .next = t->subscriptions};
  if (t->subscriptions) topics->subscriptions[t->subscriptions].previous = place;
  t->subscriptions = place;
  topic->members[topic->count++] = (lwsn_member){t, place};
  return place;
}

uint32_t lwsn_topics_join(lwsn_transport *t, const uint8_t *name, size_t size) {
  lwsn_server *server = t->server;
  if (!server->topics && !create(server)) return 0;
  uint32_t subscription = join(server->topics, t, name, size);
  forget_when_empty(server);
  return subscription;
}

static void remove_member(lwsn_topics *topics, lwsn_topic *topic, uint32_t at) {
  lwsn_member last = topic->members[--topic->count];
  topic->members[at] = last;
  topics->subscriptions[last.subscription].member = at;
  if (topic->count == 0)
    free_topic(topics, topic);
  else if (topic->capacity > MEMBERS_MIN && topic->count < topic->capacity / 4)
    resize_members(topic, topic->capacity / 2);
}

bool lwsn_topics_leave(lwsn_transport *t, uint32_t place) {
  lwsn_topics *topics = t->server->topics;
  if (!topics || place == 0 || place > topics->subscription_used) return false;
  lwsn_subscription *s = &topics->subscriptions[place];
  if (!s->topic || s->transport != t) return false;
  remove_member(topics, s->topic, s->member);
  if (s->previous)
    topics->subscriptions[s->previous].next = s->next;
  else
    t->subscriptions = s->next;
  if (s->next) topics->subscriptions[s->next].previous = s->previous;
  give_place(topics, place);
  forget_when_empty(t->server);
  return true;
}

void lwsn_topics_leave_all(lwsn_transport *t) {
  while (t->subscriptions) lwsn_topics_leave(t, t->subscriptions);
}
