#ifndef LWSN_SANITIZE_H
#define LWSN_SANITIZE_H

#include <stddef.h>

/**
 * Memory that is kept for its next use hides from AddressSanitizer what was used too late. Where it watches, pools
 * keep nothing, and what has to stay is poisoned while nobody may look at it. Elsewhere all of this is nothing.
 */
#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define LWSN_ASAN 1
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define LWSN_ASAN 1
#endif
#endif

#ifdef LWSN_ASAN

#include <sanitizer/asan_interface.h>

enum { LWSN_SANITIZED = 1 };

static inline void lwsn_poison(const void *memory, size_t size) { __asan_poison_memory_region(memory, size); }
static inline void lwsn_unpoison(const void *memory, size_t size) { __asan_unpoison_memory_region(memory, size); }

#else

enum { LWSN_SANITIZED = 0 };

static inline void lwsn_poison(const void *memory, size_t size) {
  (void)memory;
  (void)size;
}
static inline void lwsn_unpoison(const void *memory, size_t size) {
  (void)memory;
  (void)size;
}

#endif

#endif
