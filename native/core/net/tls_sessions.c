#include "net/tls_sessions.h"

#include <stdlib.h>
#include <string.h>

struct lwsn_tls_session {
  struct lwsn_tls_session *next;
  SSL_SESSION *session;
  char host[];
};

static void drop(lwsn_tls_session **at) {
  lwsn_tls_session *s = *at;
  *at = s->next;
  SSL_SESSION_free(s->session);
  free(s);
}

bool lwsn_tls_sessions_keep(lwsn_tls_session **list, const char *host, SSL_SESSION *session) {
  size_t length = strlen(host) + 1;
  lwsn_tls_session *fresh = malloc(sizeof *fresh + length);
  if (!fresh) return false;
  fresh->session = session;
  memcpy(fresh->host, host, length);
  fresh->next = *list;
  *list = fresh;
  int all = 0, same = 0;
  for (lwsn_tls_session **at = list; *at;) {
    bool of_host = strcmp((*at)->host, host) == 0;
    if (all == LWSN_TLS_SESSIONS_MAX || (of_host && same == LWSN_TLS_SESSIONS_PER_HOST)) {
      drop(at);
      continue;
    }
    all++;
    same += of_host;
    at = &(*at)->next;
  }
  return true;
}

SSL_SESSION *lwsn_tls_sessions_take(lwsn_tls_session **list, const char *host) {
  for (lwsn_tls_session **at = list; *at;) {
    SSL_SESSION *session = (*at)->session;
    if (strcmp((*at)->host, host) != 0) {
      at = &(*at)->next;
    } else if (!SSL_SESSION_is_resumable(session)) {
      drop(at);
    } else {
      SSL_SESSION_up_ref(session);
      if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) drop(at);
      return session;
    }
  }
  return NULL;
}

void lwsn_tls_sessions_clear(lwsn_tls_session **list) {
  while (*list) drop(list);
}
