#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"

/* The value of a header whose name stands at the beginning of a line; NULL when it is missing. */
static const char *header(const char *response, const char *name, size_t *length) {
  size_t name_length = strlen(name);
  for (const char *line = strstr(response, "\r\n"); line; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, name_length) || line[name_length] != ':') continue;
    const char *value = line + name_length + 1;
    while (*value == ' ' || *value == '\t') value++;
    *length = strcspn(value, "\r\n");
    while (*length && (value[*length - 1] == ' ' || value[*length - 1] == '\t')) --*length;
    return value;
  }
  return NULL;
}

static bool header_is(const char *response, const char *name, const char *wanted, bool exact_case) {
  size_t length;
  const char *value = header(response, name, &length);
  if (!value || length != strlen(wanted)) return false;
  return exact_case ? !strncmp(value, wanted, length) : !strncasecmp(value, wanted, length);
}

static bool contains(const char *value, size_t length, const char *word) {
  const char *at = strstr(value, word);
  return at && at < value + length;
}

static bool check_response(struct load *load, struct conn *conn) {
  const char *response = conn->response;
  char accept[ACCEPT_SIZE];
  accept_from_key(accept, conn->key, KEY_SIZE - 1);
  size_t length;
  if (strncmp(response, "HTTP/1.1 101", 12))
    return load_fail(load, "upgrade: expected HTTP/1.1 101, got \"%.*s\"", (int)strcspn(response, "\r\n"), response);
  if (!header_is(response, "Upgrade", "websocket", false) || !header_is(response, "Connection", "upgrade", false))
    return load_fail(load, "upgrade: header Upgrade or Connection is missing or wrong");
  if (!header_is(response, "Sec-WebSocket-Accept", accept, true))
    return load_fail(load, "upgrade: Sec-WebSocket-Accept is missing or does not follow from the key");
  const char *extensions = header(response, "Sec-WebSocket-Extensions", &length);
  if (!load->deflate != !extensions)
    return load_fail(load, "upgrade: expected %s", load->deflate ? "permessage-deflate" : "no extension");
  if (extensions &&
      (strncmp(extensions, "permessage-deflate", 18) || !contains(extensions, length, "server_no_context_takeover")))
    return load_fail(load, "upgrade: expected permessage-deflate without takeover, got %.*s", (int)length, extensions);
  if (header(response, "Sec-WebSocket-Protocol", &length))
    return load_fail(load, "upgrade: the server chose a subprotocol that nobody offered");
  return true;
}

/* We are the server: the request's key is answered. */
static bool answer_request(struct load *load, struct conn *conn) {
  size_t length, offered;
  const char *key = header(conn->response, "Sec-WebSocket-Key", &length);
  if (!key) return load_fail(load, "upgrade: the client sent no Sec-WebSocket-Key");
  if (load->deflate && !header(conn->response, "Sec-WebSocket-Extensions", &offered))
    return load_fail(load, "upgrade: the client offered no extension");
  char accept[ACCEPT_SIZE];
  accept_from_key(accept, key, length);
  conn->out_to = (size_t)snprintf((char *)conn->out, conn->out_size,
                                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                                  accept, load->deflate ? "Sec-WebSocket-Extensions: " DEFLATE_OFFER "\r\n" : "");
  return conn_flush(load, conn);
}

/* Returns how many of the bytes belonged to the response; 0 after a failure. */
static size_t take_response(struct load *load, struct conn *conn, const uint8_t *bytes, size_t length) {
  size_t before = conn->response_length, room = RESPONSE_MAX - before;
  size_t added = length < room ? length : room;
  memcpy(conn->response + before, bytes, added);
  conn->response_length += added;
  conn->response[conn->response_length] = 0;
  char *end = strstr(conn->response, "\r\n\r\n");
  if (!end) {
    if (added == length) return length;
    load_fail(load, "upgrade: response longer than %u bytes", RESPONSE_MAX);
    return 0;
  }
  size_t used = (size_t)(end - conn->response) + 4 - before;
  end[2] = 0;
  if (load->options.listen ? !answer_request(load, conn) : !check_response(load, conn)) return 0;
  free(conn->response);
  conn->response = NULL;
  conn->state = CONN_OPEN;
  load->opening--;
  load->open++;
  return load->work->opened(load, conn) ? used : 0;
}

static bool take_control(struct load *load, struct conn *conn) {
  const struct frame_head *head = &conn->head;
  if (head->opcode == FRAME_PING)
    return conn_queue(load, conn, FRAME_PONG, conn->control, head->length) && conn_flush(load, conn);
  if (head->opcode == FRAME_PONG) return true;
  unsigned code = head->length >= 2 ? (unsigned)conn->control[0] << 8 | conn->control[1] : 1005u;
  if (conn->state != CONN_CLOSING || (code != 1000 && code != 1005))
    return load_fail(load, "the server closed connection %u with code %u", conn->index, code);
  conn->close_seen = true;
  return true;
}

static bool check_head(struct load *load, struct conn *conn) {
  const struct frame_head *head = &conn->head;
  bool may_compress = load->deflate && head->opcode != FRAME_CONTINUATION && head->opcode < FRAME_CLOSE;
  if (head->masked != load->options.listen || head->reserved & (may_compress ? 3 : 7))
    return load_fail(load, "frame: %smasked, or reserved bits set (first bytes %02x %02x)",
                     load->options.listen ? "not " : "", head->bytes[0], head->bytes[1]);
  if (conn->close_seen) return load_fail(load, "frame after the close frame");
  if (head->opcode >= FRAME_CLOSE) {
    if (head->opcode > FRAME_PONG || !head->final || head->length > CONTROL_MAX)
      return load_fail(load, "frame: bad control frame (opcode %u, %llu bytes)", head->opcode,
                       (unsigned long long)head->length);
    return true;
  }
  uint8_t wanted = conn->in_message ? FRAME_CONTINUATION : load_opcode(load);
  if (head->opcode != wanted) return load_fail(load, "frame: expected opcode %u, got %u", wanted, head->opcode);
  if (!conn->in_message) conn->message_at = 0;
  if (!conn->in_message) conn->in_compressed = head->reserved & 4;
  conn->in_message = true;
  size_t most = conn->in_compressed ? deflate_bound(load->options.size) : load->options.size;
  if (head->length > most - conn->message_at)
    return load_fail(load, "message: expected %zu bytes, got more", load->options.size);
  return true;
}

/* A whole compressed message: verified as if it had come plain. */
static bool unpack(struct load *load, struct conn *conn) {
  size_t size = 0;
  const uint8_t *plain = inflate_message(load->deflate, conn->packed, (size_t)conn->message_at, &size);
  if (!plain)
    return load_fail(load, "message: not a valid deflate stream, or larger than %zu bytes", load->options.size);
  conn->message_at = 0;
  if (size > 0 && size <= load->options.size && !load->work->chunk(load, conn, plain, size)) return false;
  conn->message_at = size;
  return true;
}

static bool end_frame(struct load *load, struct conn *conn) {
  conn->in_payload = false;
  conn->head.have = 0;
  if (conn->head.opcode >= FRAME_CLOSE) return take_control(load, conn);
  if (!conn->head.final) return true;
  conn->in_message = false;
  if (conn->in_compressed && !unpack(load, conn)) return false;
  if (conn->message_at != load->options.size)
    return load_fail(load, "message: expected %zu bytes, got %llu", load->options.size,
                     (unsigned long long)conn->message_at);
  return load->work->message(load, conn);
}

/* Unmasks in place where the peer is a client; `at` may be where the bytes lie. */
static void copy_plain(const struct conn *conn, uint8_t *to, const uint8_t *from, size_t length) {
  if (!conn->head.masked) {
    if (to != from) memcpy(to, from, length);
    return;
  }
  size_t phase = (size_t)(conn->head.length - conn->frame_left);
  uint32_t key = 0;
  uint8_t turned[4];
  for (size_t i = 0; i < 4; i++) turned[i] = conn->head.key[(phase + i) % 4];
  memcpy(&key, turned, 4);
  payload_mask(to, from, length, key);
}

static bool take_payload(struct load *load, struct conn *conn, uint8_t *bytes, size_t length) {
  if (conn->head.opcode >= FRAME_CLOSE) {
    copy_plain(conn, conn->control + (conn->head.length - conn->frame_left), bytes, length);
  } else if (conn->in_compressed) {
    copy_plain(conn, conn->packed + conn->message_at, bytes, length);
    conn->message_at += length;
  } else {
    copy_plain(conn, bytes, bytes, length);
    if (!load->work->chunk(load, conn, bytes, length)) return false;
    conn->message_at += length;
  }
  conn->frame_left -= length;
  return true;
}

bool receive_bytes(struct load *load, struct conn *conn, uint8_t *bytes, size_t length) {
  size_t taken;
  if (conn->state == CONN_UPGRADING) {
    if (!(taken = take_response(load, conn, bytes, length))) return false;
    bytes += taken;
    length -= taken;
  }
  while (length) {
    if (!conn->in_payload) {
      bool whole = frame_take_head(&conn->head, bytes, length, &taken);
      bytes += taken;
      length -= taken;
      if (!whole) return true;
      if (!check_head(load, conn)) return false;
      conn->in_payload = true;
      conn->frame_left = conn->head.length;
    }
    taken = length < conn->frame_left ? length : (size_t)conn->frame_left;
    if (taken && !take_payload(load, conn, bytes, taken)) return false;
    bytes += taken;
    length -= taken;
    if (!conn->frame_left && !end_frame(load, conn)) return false;
  }
  return true;
}
