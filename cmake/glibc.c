/*
 * A prebuilt binary asks for no symbol newer than glibc 2.28. The newer ones that the compiler would
 * choose are listed here, each with the old one that stands in; cmake/portable.cmake sends the calls
 * here, scripts/tools/elf.mjs checks the result. musl has no versions: empty there.
 */
#include <sys/stat.h>

#ifdef __GLIBC__

#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
enum { stat_version = 1 };
#elif defined(__aarch64__)
#define FIRST_VERSION "GLIBC_2.17"
enum { stat_version = 0 };
#else
#error "The oldest glibc symbols of this architecture are not listed."
#endif

#define OLD_SYMBOL(local, name) __asm__(".symver " #local "," #name "@" FIRST_VERSION)

/* lstat is a function since 2.33; before, a macro called this one. */
OLD_SYMBOL(old_lxstat, __lxstat);
int old_lxstat(int version, const char *path, struct stat *info);

int __wrap_lstat(const char *path, struct stat *info);
int __wrap_lstat(const char *path, struct stat *info) { return old_lxstat(stat_version, path, info); }

#endif
