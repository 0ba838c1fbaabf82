#include "measure.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t measure_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool read_task(pid_t process, long task, uint64_t *run, uint64_t *wait) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/task/%ld/schedstat", (int)process, task);
  FILE *file = fopen(name, "r");
  if (!file) return false;
  bool read = fscanf(file, "%" SCNu64 " %" SCNu64, run, wait) == 2;
  fclose(file);
  return read;
}

bool measure_cpu(struct cpu_snapshot *snapshot, pid_t process) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/task", (int)process);
  snapshot->count = 0;
  DIR *folder = opendir(name);
  if (!folder) return false;
  struct dirent *entry;
  while ((entry = readdir(folder)) && snapshot->count < CPU_TASKS) {
    char *end;
    long task = strtol(entry->d_name, &end, 10);
    uint64_t run, wait;
    /* A task may end between the listing and the reading. */
    if (*end || task <= 0 || !read_task(process, task, &run, &wait)) continue;
    snapshot->tasks[snapshot->count].task = (pid_t)task;
    snapshot->tasks[snapshot->count].run = run;
    snapshot->tasks[snapshot->count++].wait = wait;
  }
  closedir(folder);
  return snapshot->count > 0 && snapshot->count < CPU_TASKS;
}

void measure_cpu_between(const struct cpu_snapshot *from, const struct cpu_snapshot *to, uint64_t *run,
                         uint64_t *wait) {
  *run = *wait = 0;
  for (uint32_t i = 0; i < to->count; i++) {
    *run += to->tasks[i].run;
    *wait += to->tasks[i].wait;
    for (uint32_t j = 0; j < from->count; j++)
      if (from->tasks[j].task == to->tasks[i].task) {
        *run -= from->tasks[j].run;
        *wait -= from->tasks[j].wait;
        break;
      }
  }
}

static uint32_t slot_of(uint64_t value) {
  if (value < HISTOGRAM_STEPS) return (uint32_t)value;
  uint32_t power = 63u - (uint32_t)__builtin_clzll(value), shift = power - 6;
  uint32_t slot = (shift + 1) * HISTOGRAM_STEPS + (uint32_t)(value >> shift) - HISTOGRAM_STEPS;
  return slot < 40 * HISTOGRAM_STEPS ? slot : 40 * HISTOGRAM_STEPS - 1;
}

static uint64_t value_of(uint32_t slot) {
  if (slot < HISTOGRAM_STEPS) return slot;
  uint32_t shift = slot / HISTOGRAM_STEPS - 1;
  uint64_t low = (uint64_t)(slot % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
  return low + ((1ull << shift) >> 1);
}

void histogram_add(struct histogram *histogram, uint64_t value) {
  histogram->count++;
  histogram->sum += value;
  if (value > histogram->max) histogram->max = value;
  histogram->slots[slot_of(value)]++;
}

uint64_t histogram_at(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->count), seen = 0;
  for (uint32_t i = 0; i < 40 * HISTOGRAM_STEPS; i++) {
    seen += histogram->slots[i];
    if (histogram->slots[i] && seen > wanted) return value_of(i) < histogram->max ? value_of(i) : histogram->max;
  }
  return histogram->max;
}
