#include "lws/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lws/event_library.h"
#include "lws/protocols.h"
#include "private-lib-core.h"

enum {
  FDS_TRUSTED = 1 << 20, /* above this lws falls back to 2560 descriptors (facts 9.3) */
  LONG_WAIT_MS = 60 * 1000,
};

static const char raw_name[] = "lwsn-http";

struct lwsn_door {
  lwsn_events events;
  const lwsn_door_table *table;
  struct lws_context *lws;
  struct lws_vhost *vhost;
  struct lws_protocols protocols[LWSN_PROTOCOLS + 1];
};

static const lwsn_door_table *table_of(const struct lws *wsi) {
  return ((const lwsn_door *)wsi->a.context->user_space)->table;
}

static bool adopted(struct lws *wsi, void *memory) {
  void *owner = wsi->a.opaque_user_data;
  if (!owner || !memory) return false; /* lws had no memory for it, and goes on all the same */
  const lwsn_door *door = wsi->a.context->user_space;
  lwsn_watch *watch = lwsn_events_watch((lwsn_events *)&door->events, wsi->desc.sockfd);
  return watch && door->table->adopted(owner, memory, wsi, watch);
}

static void destroyed(struct lws *wsi) {
  void *owner = wsi->a.opaque_user_data;
  if (!owner) return;
  wsi->a.opaque_user_data = NULL;
  table_of(wsi)->destroyed(owner);
}

static void lend(struct lws *wsi, void *memory, struct lws_ws_lent *lent) {
  lent->at = table_of(wsi)->lend(memory, &lent->size);
}

/* Patch 0001: without data its size is an errno, 0 at the end of input. */
static void received(struct lws *wsi, void *memory, const uint8_t *data, size_t size) {
  ssize_t n = data ? (ssize_t)size : size == 0 ? -1 : -2;
  if (n == -2 && (size == EAGAIN || size == EWOULDBLOCK || size == EINTR)) n = 0;
  table_of(wsi)->received(memory, data, n);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *memory, void *in, size_t size) {
  switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT: return adopted(wsi, memory) ? 0 : -1;
    case LWS_CALLBACK_RAW_RX: table_of(wsi)->input(wsi->a.opaque_user_data, in, size); return 0;
    case LWS_CALLBACK_RAW_CLOSE:
      if (memory) table_of(wsi)->left(memory);
      return 0;
    case LWS_CALLBACK_ESTABLISHED:
      return wsi->a.opaque_user_data && table_of(wsi)->established(wsi->a.opaque_user_data, memory) ? 0 : -1;
    case LWS_CALLBACK_USER: lend(wsi, memory, in); return 0;
    case LWS_CALLBACK_RECEIVE: received(wsi, memory, in, size); return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
    case LWS_CALLBACK_SERVER_WRITEABLE: table_of(wsi)->writable(wsi->a.opaque_user_data); return 0;
    case LWS_CALLBACK_CLOSED:
      if (memory) table_of(wsi)->closed(memory);
      return 0;
    case LWS_CALLBACK_WSI_DESTROY: destroyed(wsi); return 0;
    default: return 0;
  }
}

/* lws sizes its tables by the soft limit, and mistrusts a huge one. */
static struct lws_context *create_lws(const struct lws_context_creation_info *info) {
  struct rlimit limit, lowered;
  bool lower =
      getrlimit(RLIMIT_NOFILE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > FDS_TRUSTED);
  if (lower) {
    lowered = limit;
    lowered.rlim_cur = FDS_TRUSTED;
    lower = setrlimit(RLIMIT_NOFILE, &lowered) == 0;
  }
  struct lws_context *lws = lws_create_context(info);
  if (lower) setrlimit(RLIMIT_NOFILE, &limit);
  return lws;
}

static bool create(lwsn_door *door) {
  void *loops[] = {&door->events};
  struct lws_context_creation_info info;
  memset(&info, 0, sizeof info);
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = door->protocols;
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
  info.event_lib_custom = &lwsn_event_library;
  info.foreign_loops = loops;
  info.pt_serv_buf_size = 16 * 1024;
  info.user = door;
  door->lws = create_lws(&info);
  if (!door->lws) return false;
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.vhost_name = "lwsn";
  door->vhost = lws_create_vhost(door->lws, &info);
  return door->vhost != NULL;
}

bool lwsn_door_open(lwsn_door **result, lwsn_loop *loop, const lwsn_door_table *table, lwsn_ready_fn on_ready,
                    void *owner) {
  lwsn_door *door = *result = calloc(1, sizeof *door);
  if (!door) return false;
  door->events = (lwsn_events){.loop = loop, .on_ready = on_ready, .owner = owner};
  door->table = table;
  door->protocols[LWSN_PROTOCOL_RAW] =
      (struct lws_protocols){.name = raw_name, .callback = callback, .per_session_data_size = table->raw_size};
  door->protocols[LWSN_PROTOCOL_WS] =
      (struct lws_protocols){.name = "lwsn-ws",
                             .callback = callback,
                             .per_session_data_size = table->ws_size,
                             .rx_buffer_size = 1}; /* 0 would be 16 KiB of each connection */
  return create(door);
}

void lwsn_door_close(lwsn_door *door) {
  if (door->lws) lws_context_destroy(door->lws);
  door->lws = NULL;
}

void lwsn_door_free(lwsn_door *door) {
  if (!door) return;
  free(door->events.by_fd);
  free(door);
}

int64_t lwsn_door_serve(lwsn_door *door) {
  int wait = lws_service_adjust_timeout(door->lws, LONG_WAIT_MS, 0);
  if (wait == 0) _lws_plat_service_forced_tsi(door->lws, 0);
  return wait < LONG_WAIT_MS ? wait : -1;
}

bool lwsn_door_adopt(lwsn_door *door, int fd, void *owner) {
  lws_adopt_desc_t description = {
      .vh = door->vhost,
      .type = LWS_ADOPT_SOCKET,
      .fd.sockfd = fd,
      .vh_prot_name = raw_name,
      .opaque = owner,
  };
  return lws_adopt_descriptor_vhost_via_info(&description) != NULL;
}

void lwsn_door_random(lwsn_door *door, void *bytes, size_t size) { lws_get_random(door->lws, bytes, size); }

bool lwsn_sha1_base64(const void *data, size_t size, char *out, size_t room) {
  unsigned char hash[20];
  lws_SHA1(data, size, hash);
  return lws_b64_encode_string((const char *)hash, sizeof hash, out, (int)room) >= 0;
}

void lwsn_door_silence(void) { lws_set_log_level(0, NULL); }

const char *lwsn_door_version(void) { return lws_get_library_version(); }
