#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum load_mode { LOAD_ECHO, LOAD_BROADCAST, LOAD_IDLE, LOAD_CONNECT, LOAD_MIXED };

enum payload_kind { PAYLOAD_BINARY, PAYLOAD_ASCII, PAYLOAD_UTF8, PAYLOAD_WORDS };

struct load_options {
  enum load_mode mode;
  const char *host; /* numeric address */
  uint16_t port;
  bool listen; /* be the server: connections come to a free port of 127.0.0.1 */
  bool tls, deflate;
  const char *path; /* unix socket; wins over host and port */
  uint32_t connections;
  uint32_t depth;   /* messages in flight per connection */
  uint32_t senders; /* broadcast: how many connections send; mixed: how many flood */
  double pace;      /* mixed: seconds a quiet connection waits before it sends again */
  size_t size;
  enum payload_kind kind;
  double warmup, seconds; /* seconds */
  uint64_t messages;      /* ends the window early when verified; 0: time alone */
  pid_t pid;              /* server whose CPU time is read; 0: none */
  bool spin;              /* poll without sleeping */
};

/* False: the arguments are wrong and stderr says how. */
bool options_parse(struct load_options *options, int count, char **arguments);

#endif
