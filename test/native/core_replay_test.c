/*
 * Every input that fuzzing kept, and every one that once broke something, through its target (test/fuzz). A broken rule
 * ends the program; the last line of its output names the input.
 */
#include <dirent.h>
#include <stdlib.h>

#include "check.h"
#include "target.h"

typedef struct target {
  const char *name;
  void (*run)(const uint8_t *data, size_t size);
} target;

static const target targets[] = {
    {"http_head", fuzz_http_head}, {"http_body", fuzz_http_body}, {"proxy_header", fuzz_proxy_header},
    {"utf8", fuzz_utf8},           {"mask", fuzz_mask},           {"deflate", fuzz_deflate},
    {"frames", fuzz_frames},       {"server", fuzz_server},       {"client", fuzz_client},
};

/* The input of a file, malloc'ed; NULL when it is none. */
static uint8_t *read_input(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t *data = malloc(*size + 1);
  size_t got = data ? fread(data, 1, *size, file) : 0;
  fclose(file);
  if (data && got == *size) return data;
  free(data);
  return NULL;
}

/* How many inputs the folder holds; all were run. */
static unsigned replay(const target *t, const char *kind) {
  char folder[512], path[1024];
  snprintf(folder, sizeof folder, "%s/%s/%s", LWSN_FUZZ_FOLDER, kind, t->name);
  DIR *entries = opendir(folder);
  unsigned count = 0;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    uint8_t *input = entry->d_name[0] == '.' ? NULL : read_input(path, &size);
    if (!input) continue;
    fprintf(stderr, "%s\n", path);
    t->run(input, size);
    free(input);
    count++;
  }
  if (entries) closedir(entries);
  return count;
}

int main(void) {
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    unsigned kept = replay(&targets[i], "corpus"), found = replay(&targets[i], "findings");
    CHECK_MSG(kept > 0, "%s has no corpus", targets[i].name);
    printf("%s: %u of the corpus, %u findings\n", targets[i].name, kept, found);
  }
  return check_report();
}
