#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t measure_now(void); /* monotonic nanoseconds */

#define CPU_TASKS 1024

/* Run and wait time of each task of a process: /proc/PID/task/TID/schedstat, nanoseconds. */
struct cpu_snapshot {
  uint32_t count;
  struct {
    pid_t task;
    uint64_t run, wait;
  } tasks[CPU_TASKS];
};

bool measure_cpu(struct cpu_snapshot *snapshot, pid_t process);

/* What passed between two snapshots; a task born between them counts whole. */
void measure_cpu_between(const struct cpu_snapshot *from, const struct cpu_snapshot *to, uint64_t *run, uint64_t *wait);

/* Durations in 64 steps per power of two: read back within 1.6 %. */
#define HISTOGRAM_STEPS 64
struct histogram {
  uint64_t count, sum, max;
  uint64_t slots[40 * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
uint64_t histogram_at(const struct histogram *histogram, double share); /* share of 1 */

#endif
