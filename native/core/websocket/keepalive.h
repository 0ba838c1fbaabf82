#ifndef LWSN_KEEPALIVE_H
#define LWSN_KEEPALIVE_H

#include "websocket/connection.h"

/**
 * Notices dead peers: an empty ping after `ping_interval` of silence, an end `idle_timeout − ping_interval` after that
 * ping was sent, all in served time: nobody is called silent who was not asked. Where no ping comes before it, an
 * end after `idle_timeout` of silence. Behind a full socket the peer is asked nothing: it ends when it took no
 * byte for `idle_timeout`. Input only notes its time; the timer looks at it when it fires and sleeps for what
 * is left, so that traffic costs no timer.
 */
void lwsn_keepalive_start(lwsn_connection *connection);

#endif
