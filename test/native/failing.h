/*
 * Allocations that fail on purpose. Only for programs that are linked with --wrap for the functions below (see
 * cmake/tests.cmake), and only while `world_in_core` is set.
 */
#ifndef LWSN_TEST_FAILING_H
#define LWSN_TEST_FAILING_H

#include <stdbool.h>

/* From now on the `nth` allocation fails, counted from 1; with `for_ever` all that follow it fail as well. */
void failing_begin(unsigned nth, bool for_ever);

/* No more. True if any allocation failed. */
bool failing_end(void);

#endif
