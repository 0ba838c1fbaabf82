#include "context/servers.h"

#include "net/listener.h"
#include "net/transports.h"
#include "topics/group.h"

void lwsn_server_release(lwsn_server *server) {
  if (server->released) return;
  server->released = true;
  lwsn_group_leave(server);
  lwsn_listener_close_all(server);
  lwsn_server_kill_all(server);
  lwsn_server_settle(server);
}
