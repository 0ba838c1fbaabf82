#ifndef LWSN_KEEPALIVE_H
#define LWSN_KEEPALIVE_H

struct lwsn_connection;

/**
 * Notices dead peers: an empty ping after `ping_interval` of silence, an end
 * after `idle_timeout` of it. Input only notes its time; the timer looks at it
 * when it fires and sleeps for what is left, so that traffic costs no timer.
 */
void lwsn_keepalive_start(struct lwsn_connection *connection);

#endif
