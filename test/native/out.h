/* What the other side asks for: records in the out-ring, as lib/crossing/crossing.ts writes them. */
#ifndef LWSN_TEST_OUT_H
#define LWSN_TEST_OUT_H

#include "context/flush.h"
#include "world.h"

/* A record without payload: TERMINATE, PAUSE, RESUME, WANT_WRITABLE. */
void out_tell(world *w, lwsn_handle handle, lwsn_out_kind kind);

/* A message; through the ring, or past it when it is large. */
void out_message(world *w, lwsn_handle handle, unsigned opcode, const void *data, size_t size);

/* A close frame: 0 for one without a code; `reason` may be NULL. */
void out_close(world *w, lwsn_handle handle, unsigned code, const char *reason);

void out_ping(world *w, lwsn_handle handle, const void *data, size_t size);

/* Accepts a held upgrade; `headers`: whole lines, or NULL. */
void out_accept(world *w, lwsn_handle handle, const char *headers, unsigned flags);

/* Bytes of a response. */
void out_raw(world *w, lwsn_handle handle, const char *text);

/* The end of a response. */
void out_end(world *w, lwsn_handle handle, bool keep_alive);

/* A whole response with a short body. */
void out_response(world *w, lwsn_handle handle, const char *status, const char *body, bool keep_alive);

/* Subscribes; 0 when there is no memory. */
uint32_t out_subscribe(world *w, lwsn_handle handle, const char *topic);

/* Publishes a text to all subscribers of a topic but `except`, which may be nobody's; as lwsn_publish. */
int64_t out_publish_but(world *w, lwsn_handle except, const char *topic, const void *data, size_t size);
int64_t out_publish(world *w, const char *topic, const void *data, size_t size);

/* Bytes that wait natively, as published. */
double out_queued(const world *w, lwsn_handle handle);

/* What the world's `accepts`, `echoes` and `responds` say. */
void out_react(world *w, const event *e);

#endif
