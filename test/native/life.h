/*
 * The order that the records of one transport keep in every test: REQUESTs first, each after the response of the
 * one before, GONE as the end of what speaks HTTP, OPEN once and only for a held upgrade, CLOSED once and only after OPEN, nothing after either end, and
 * nothing at all for a handle whose slot has a later tenant.
 */
#ifndef LWSN_TEST_LIFE_H
#define LWSN_TEST_LIFE_H

#include "world.h"

/* Notes a violation if this record may not follow those before it. */
void life_judge(world *w, const event *e);

/* The response to the last request is complete: another one may follow. */
void life_answered(world *w, lwsn_handle handle);

#endif
