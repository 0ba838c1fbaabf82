#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct choice {
  const char *name;
  int value;
};

static const struct choice modes[] = {{"echo", LOAD_ECHO},       {"broadcast", LOAD_BROADCAST}, {"idle", LOAD_IDLE},
                                      {"connect", LOAD_CONNECT}, {"mixed", LOAD_MIXED},         {0}};

static const struct choice kinds[] = {
    {"binary", PAYLOAD_BINARY}, {"ascii", PAYLOAD_ASCII}, {"utf8", PAYLOAD_UTF8}, {"words", PAYLOAD_WORDS}, {0}};

static bool parse_choice(const struct choice *choices, const char *name, const char *value, int *out) {
  for (const struct choice *choice = choices; choice->name; choice++)
    if (!strcmp(choice->name, value)) {
      *out = choice->value;
      return true;
    }
  fprintf(stderr, "--%s: expected", name);
  for (const struct choice *choice = choices; choice->name; choice++)
    fprintf(stderr, "%s%s", choice == choices ? " " : " | ", choice->name);
  fprintf(stderr, ", got \"%s\"\n", value);
  return false;
}

static bool parse_number(const char *name, const char *value, double least, double most, double *out) {
  char *end;
  double number = strtod(value, &end);
  if (end == value || *end || !isfinite(number) || number < least || number > most) {
    fprintf(stderr, "--%s: expected a number from %g to %g, got \"%s\"\n", name, least, most, value);
    return false;
  }
  *out = number;
  return true;
}

static bool parse_flag(const char *name, const char *value, bool *out) {
  double number;
  if (!parse_number(name, value, 0, 1, &number)) return false;
  *out = number == 1;
  return true;
}

static bool parse_one(struct load_options *o, const char *name, const char *value) {
  double number;
  int choice;
  if (!strcmp(name, "host")) {
    o->host = value;
  } else if (!strcmp(name, "path")) {
    o->path = value;
  } else if (!strcmp(name, "mode")) {
    if (!parse_choice(modes, name, value, &choice)) return false;
    o->mode = (enum load_mode)choice;
  } else if (!strcmp(name, "kind")) {
    if (!parse_choice(kinds, name, value, &choice)) return false;
    o->kind = (enum payload_kind)choice;
  } else if (!strcmp(name, "port")) {
    if (!parse_number(name, value, 1, 65535, &number)) return false;
    o->port = (uint16_t)number;
  } else if (!strcmp(name, "connections")) {
    if (!parse_number(name, value, 1, 100000, &number)) return false;
    o->connections = (uint32_t)number;
  } else if (!strcmp(name, "depth")) {
    if (!parse_number(name, value, 1, 1024, &number)) return false;
    o->depth = (uint32_t)number;
  } else if (!strcmp(name, "senders")) {
    if (!parse_number(name, value, 0, 100000, &number)) return false;
    o->senders = (uint32_t)number;
  } else if (!strcmp(name, "size")) {
    if (!parse_number(name, value, 0, 16 << 20, &number)) return false;
    o->size = (size_t)number;
  } else if (!strcmp(name, "warmup")) {
    if (!parse_number(name, value, 0, 60, &o->warmup)) return false;
  } else if (!strcmp(name, "seconds")) {
    if (!parse_number(name, value, 0.001, 600, &o->seconds)) return false;
  } else if (!strcmp(name, "pace")) {
    if (!parse_number(name, value, 0, 60, &o->pace)) return false;
  } else if (!strcmp(name, "messages")) {
    if (!parse_number(name, value, 0, 1e12, &number)) return false;
    o->messages = (uint64_t)number;
  } else if (!strcmp(name, "pid")) {
    if (!parse_number(name, value, 1, 1 << 30, &number)) return false;
    o->pid = (pid_t)number;
  } else if (!strcmp(name, "spin")) {
    return parse_flag(name, value, &o->spin);
  } else if (!strcmp(name, "listen")) {
    return parse_flag(name, value, &o->listen);
  } else if (!strcmp(name, "tls")) {
    return parse_flag(name, value, &o->tls);
  } else if (!strcmp(name, "deflate")) {
    return parse_flag(name, value, &o->deflate);
  } else {
    fprintf(stderr, "unknown option --%s\n", name);
    return false;
  }
  return true;
}

static bool check_whole(const struct load_options *o) {
  if (!!o->path + !!o->port + o->listen != 1) {
    fprintf(stderr, "one of --port, --path and --listen=1 is needed\n");
    return false;
  }
  if (o->listen && (o->tls || o->mode != LOAD_ECHO)) {
    fprintf(stderr, "--listen: only plain echo\n");
    return false;
  }
  bool senders = o->senders > 0 && o->senders <= o->connections;
  if (o->mode == LOAD_BROADCAST && (o->size < 8 || o->kind != PAYLOAD_BINARY || !senders)) {
    fprintf(stderr, "broadcast: expected binary payloads of 8 bytes or more and 1 to all connections that send\n");
    return false;
  }
  if (o->mode == LOAD_MIXED && o->senders >= o->connections) {
    fprintf(stderr, "mixed: expected fewer senders than connections\n");
    return false;
  }
  if (o->kind != PAYLOAD_BINARY && o->size % 4) {
    fprintf(stderr, "text: expected a size that 4 divides, got %zu\n", o->size);
    return false;
  }
  if ((double)o->connections * o->depth * (double)o->size > (double)(1u << 30)) {
    fprintf(stderr, "connections x depth x size: expected at most 1 GiB\n");
    return false;
  }
  return true;
}

bool options_parse(struct load_options *options, int count, char **arguments) {
  *options = (struct load_options){.host = "127.0.0.1",
                                   .connections = 1,
                                   .depth = 1,
                                   .senders = 1,
                                   .pace = 0.005,
                                   .size = 20,
                                   .warmup = 0.2,
                                   .seconds = 1};
  char name[32];
  for (int i = 1; i < count; i++) {
    const char *argument = arguments[i];
    const char *equals = strchr(argument, '=');
    if (strncmp(argument, "--", 2) || !equals || (size_t)(equals - argument - 2) >= sizeof name) {
      fprintf(stderr, "expected --name=value, got \"%s\"\n", argument);
      return false;
    }
    size_t length = (size_t)(equals - argument - 2);
    memcpy(name, argument + 2, length);
    name[length] = 0;
    if (!parse_one(options, name, equals + 1)) return false;
  }
  return check_whole(options);
}
