#include "failing.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "world.h"

static unsigned countdown; /* 0: off */
static bool failing_for_ever, failed;

void failing_begin(unsigned nth, bool for_ever) {
  countdown = nth;
  failing_for_ever = for_ever;
  failed = false;
}

bool failing_end(void) {
  countdown = 0;
  return failed;
}

static bool must_fail(void) {
  if (countdown == 0 || !world_in_core) return false;
  if (countdown > 1) {
    countdown--;
    return false;
  }
  if (!failing_for_ever) countdown = 0;
  failed = true;
  errno = ENOMEM;
  return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
char *__real_strdup(const char *text);

void *__wrap_malloc(size_t size) { return must_fail() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) { return must_fail() ? NULL : __real_calloc(count, size); }

void *__wrap_realloc(void *pointer, size_t size) { return must_fail() ? NULL : __real_realloc(pointer, size); }

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return must_fail() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
  return must_fail() ? MAP_FAILED : __real_mmap(address, size, protection, flags, fd, offset);
}

char *__wrap_strdup(const char *text) { return must_fail() ? NULL : __real_strdup(text); }
