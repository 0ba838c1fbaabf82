/* The way into one target for libFuzzer; FUZZ_TARGET is its function (cmake/tests.cmake). */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "target.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer ends in order, with its figures, after the present input. */
static void on_time_used_up(int signal) {
  (void)signal;
  kill(getpid(), SIGUSR1);
}

/* FUZZ_CPU_SECONDS bounds the processor time: wall time says little on a busy machine. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  const char *seconds = getenv("FUZZ_CPU_SECONDS");
  if (!seconds) return 0;
  struct itimerval budget = {.it_value.tv_sec = strtol(seconds, NULL, 10)};
  struct sigaction action = {.sa_handler = on_time_used_up, .sa_flags = SA_RESTART};
  sigaction(SIGPROF, &action, NULL);
  setitimer(ITIMER_PROF, &budget, NULL);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FUZZ_TARGET(data, size);
  return 0;
}
