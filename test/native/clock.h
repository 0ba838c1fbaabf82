/*
 * The time that the core sees. It stands still until a test lets it pass (world_pass), so that nothing depends on
 * how busy the machine is. The programs are linked with --wrap for uv_now, uv_hrtime and uv_backend_timeout
 * (cmake/tests.cmake).
 */
#ifndef LWSN_TEST_CLOCK_H
#define LWSN_TEST_CLOCK_H

#include <stdint.h>

/* Stops the time at the present; each world begins like this. */
void clock_stop(void);

/* Lets it run as it does. */
void clock_run(void);

/* Lets so much of it pass at once. The loop sees it in its next turn, as when a handler has blocked it. */
void clock_advance(uint64_t ms);

/* Lets it pass while the loop sleeps in its next turn, waiting for its sockets. */
void clock_sleep(uint64_t ms);

/* The loop's turn begins, and ends: a sleep that it did not come to has passed all the same. */
void clock_turn(void);
void clock_turned(void);

/* Milliseconds. */
uint64_t clock_now(void);

#endif
