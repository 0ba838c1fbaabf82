/*
 * The order that the records of one transport keep in every test. A server's: REQUESTs first, each after the response
 * of the one before, then GONE, or OPEN for a held upgrade. A client's: CONNECTED, RESPONSE, then GONE or OPEN. OPEN
 * comes once, CLOSED once and only after OPEN, nothing after GONE or CLOSED, and nothing at all for a handle whose slot
 * has a later tenant.
 */
#ifndef LWSN_TEST_LIFE_H
#define LWSN_TEST_LIFE_H

#include "world.h"

/* Notes a violation if this record may not follow those before it. */
void life_judge(world *w, const event *e);

/* A transport that was adopted: whoever did it is told its GONE also where nothing came before. */
void life_adopted(world *w, lwsn_handle handle);

/* The response to the last request is complete: another one may follow. */
void life_answered(world *w, lwsn_handle handle);

#endif
