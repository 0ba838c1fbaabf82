#include "topics/group.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "topics/publish.h"
#include "topics/topics.h"

enum { LETTERS_PER_TURN = 1024 };

typedef struct lwsn_letter {
  struct lwsn_letter *next;
  lwsn_shared_frame *frame; /* a reference */
  bool plain;
  uint16_t name_size;
  uint8_t name[];
} lwsn_letter;

typedef struct lwsn_group {
  lwsn_node in_list;
  lwsn_node members;
  uint16_t name_size;
  uint8_t name[];
} lwsn_group;

/* The groups of the process; see group.h for who may do what. */
static struct {
  pthread_mutex_t lock;
  lwsn_node groups;
} all = {PTHREAD_MUTEX_INITIALIZER, {&all.groups, &all.groups}};

static void free_letters(lwsn_letter *letter) {
  while (letter) {
    lwsn_letter *next = letter->next;
    lwsn_shared_frame_unref(letter->frame);
    free(letter);
    letter = next;
  }
}

static lwsn_letter *write_letter(const uint8_t *name, size_t name_size, lwsn_shared_frame *frame, bool plain) {
  lwsn_letter *letter = malloc(sizeof *letter + name_size);
  if (!letter) return NULL;
  lwsn_shared_frame_ref(frame);
  letter->next = NULL;
  letter->frame = frame;
  letter->plain = plain;
  letter->name_size = (uint16_t)name_size;
  memcpy(letter->name, name, name_size);
  return letter;
}

/* Takes so many letters out, the oldest first. */
static lwsn_letter *take_letters(lwsn_member_of_group *m, uint32_t most, bool *more) {
  pthread_mutex_lock(&all.lock);
  lwsn_letter *taken = m->first, *last = NULL;
  for (uint32_t i = 0; i < most && m->first; i++) {
    last = m->first;
    m->bytes -= lwsn_shared_frame_payload_size(last->frame);
    m->count--;
    m->first = last->next;
  }
  if (last) last->next = NULL;
  if (!m->first) m->last = NULL;
  *more = m->first != NULL;
  pthread_mutex_unlock(&all.lock);
  return taken;
}

static void count_lost(lwsn_member_of_group *m) {
  pthread_mutex_lock(&all.lock);
  m->lost++;
  pthread_mutex_unlock(&all.lock);
}

/* To the servers of its context but `own`, which had it. */
static int64_t publish_here(lwsn_member_of_group *m, const lwsn_server *own, const uint8_t *name, size_t name_size,
                            lwsn_handle except, lwsn_shared_frame *frame, bool plain) {
  int64_t taken = 0;
  for (lwsn_node *node = m->servers.next; node != &m->servers; node = node->next) {
    lwsn_server *server = LWSN_CONTAINER(node, lwsn_server, in_member);
    if (server == own) continue;
    int64_t count = lwsn_publish(server, name, name_size, except, frame, plain);
    if (count < 0)
      count_lost(m);
    else
      taken += count;
  }
  return taken;
}

/* In the thread of its context. */
static void on_wake(uv_async_t *wake) {
  static const lwsn_handle nobody = {UINT32_MAX, 0};
  lwsn_member_of_group *m = wake->data;
  bool more;
  lwsn_letter *letters = take_letters(m, LETTERS_PER_TURN, &more);
  for (lwsn_letter *letter = letters; letter; letter = letter->next)
    publish_here(m, NULL, letter->name, letter->name_size, nobody, letter->frame, letter->plain);
  free_letters(letters);
  if (more) uv_async_send(&m->wake); /* its posters do not: they wake only an empty box */
}

static void on_closed(uv_handle_t *handle) {
  lwsn_member_of_group *m = handle->data;
  lwsn_services *services = m->services;
  free(m);
  lwsn_loop_released(&services->loop);
}

/* Under the lock. */
static lwsn_group *find_group(const uint8_t *name, size_t name_size) {
  for (lwsn_node *node = all.groups.next; node != &all.groups; node = node->next) {
    lwsn_group *group = LWSN_CONTAINER(node, lwsn_group, in_list);
    if (group->name_size == name_size && memcmp(group->name, name, name_size) == 0) return group;
  }
  return NULL;
}

static lwsn_group *create_group(const uint8_t *name, size_t name_size) {
  lwsn_group *group = malloc(sizeof *group + name_size);
  if (!group) return NULL;
  group->name_size = (uint16_t)name_size;
  memcpy(group->name, name, name_size);
  lwsn_list_init(&group->members);
  return group;
}

static bool enter(lwsn_member_of_group *m, const uint8_t *name, size_t name_size) {
  lwsn_group *fresh = create_group(name, name_size);
  if (!fresh) return false;
  pthread_mutex_lock(&all.lock);
  m->group = find_group(name, name_size);
  if (!m->group) {
    m->group = fresh;
    fresh = NULL;
    lwsn_list_append(&all.groups, &m->group->in_list);
  }
  lwsn_list_append(&m->group->members, &m->in_group);
  pthread_mutex_unlock(&all.lock);
  free(fresh);
  return true;
}

static void leave(lwsn_member_of_group *m) {
  lwsn_group *group = m->group;
  pthread_mutex_lock(&all.lock);
  lwsn_list_remove(&m->in_group);
  bool empty = lwsn_list_empty(&group->members);
  if (empty) lwsn_list_remove(&group->in_list);
  pthread_mutex_unlock(&all.lock);
  if (empty) free(group);
}

static lwsn_member_of_group *find_member(lwsn_services *s, const uint8_t *name, size_t name_size) {
  for (lwsn_node *node = s->groups.next; node != &s->groups; node = node->next) {
    lwsn_member_of_group *m = LWSN_CONTAINER(node, lwsn_member_of_group, in_services);
    if (m->group->name_size == name_size && memcmp(m->group->name, name, name_size) == 0) return m;
  }
  return NULL;
}

/* Gives the handle back to uv, and with it the memory. */
static void discard(lwsn_member_of_group *m) { uv_close((uv_handle_t *)&m->wake, on_closed); }

static int create_member(lwsn_services *s, const uint8_t *name, size_t name_size, lwsn_member_of_group **result) {
  lwsn_member_of_group *m = calloc(1, sizeof *m);
  if (!m) return UV_ENOMEM;
  int error = uv_async_init(s->loop.uv, &m->wake, on_wake);
  if (error) {
    free(m);
    return error;
  }
  s->loop.open_handles++;
  uv_unref((uv_handle_t *)&m->wake); /* news of others keep no process alive */
  m->wake.data = m;
  m->services = s;
  lwsn_list_init(&m->servers);
  if (!enter(m, name, name_size)) {
    discard(m);
    return UV_ENOMEM;
  }
  lwsn_list_append(&s->groups, &m->in_services);
  *result = m;
  return 0;
}

int lwsn_group_join(lwsn_server *server, const uint8_t *name, size_t name_size) {
  lwsn_member_of_group *m = find_member(server->services, name, name_size);
  int error = m ? 0 : create_member(server->services, name, name_size, &m);
  if (error) return error;
  lwsn_list_append(&m->servers, &server->in_member);
  server->group = m;
  return 0;
}

void lwsn_group_leave(lwsn_server *server) {
  lwsn_member_of_group *m = server->group;
  if (!m) return;
  server->group = NULL;
  lwsn_list_remove(&server->in_member);
  if (!lwsn_list_empty(&m->servers)) return;
  leave(m);
  lwsn_list_remove(&m->in_services);
  bool more;
  free_letters(take_letters(m, UINT32_MAX, &more));
  discard(m);
}

uint64_t lwsn_group_lost(const lwsn_server *server) {
  if (!server->group) return 0;
  pthread_mutex_lock(&all.lock);
  uint64_t lost = server->group->lost;
  pthread_mutex_unlock(&all.lock);
  return lost;
}

bool lwsn_group_is_heard(lwsn_server *server, const uint8_t *name, size_t name_size) {
  return server->group || lwsn_topics_find(server, name, name_size);
}

/* Under the lock. */
static void post(lwsn_member_of_group *m, const uint8_t *name, size_t name_size, lwsn_shared_frame *frame, bool plain) {
  size_t size = lwsn_shared_frame_payload_size(frame);
  bool fits = m->count < LWSN_LETTERS_MAX && (m->count == 0 || m->bytes + size <= LWSN_LETTER_BYTES_MAX);
  lwsn_letter *letter = fits ? write_letter(name, name_size, frame, plain) : NULL;
  if (!letter) {
    m->lost++;
    return;
  }
  if (m->last)
    m->last->next = letter;
  else
    m->first = letter;
  m->last = letter;
  m->bytes += size;
  if (m->count++ == 0) uv_async_send(&m->wake);
}

static void post_to_others(lwsn_member_of_group *own, const uint8_t *name, size_t name_size, lwsn_shared_frame *frame,
                           bool plain) {
  pthread_mutex_lock(&all.lock);
  lwsn_node *members = &own->group->members;
  for (lwsn_node *node = members->next; node != members; node = node->next) {
    lwsn_member_of_group *m = LWSN_CONTAINER(node, lwsn_member_of_group, in_group);
    if (m != own) post(m, name, name_size, frame, plain);
  }
  pthread_mutex_unlock(&all.lock);
}

int64_t lwsn_group_publish(lwsn_server *server, const uint8_t *name, size_t name_size, lwsn_handle except,
                           lwsn_shared_frame *frame, bool plain) {
  int64_t taken = lwsn_publish(server, name, name_size, except, frame, plain);
  if (taken < 0 || !server->group) return taken;
  post_to_others(server->group, name, name_size, frame, plain);
  return taken + publish_here(server->group, server, name, name_size, except, frame, plain);
}
