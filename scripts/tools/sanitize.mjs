import { isAbsolute } from 'node:path';
import { attempt, Failure } from './run.mjs';

/** CMake settings of an addon with ASan and UBSan, which ends the process at the first thing it finds. */
export const sanitizerSettings = {
  LWSN_SANITIZE: 'ON',
  LWSN_FLAGS: '-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer',
};

/** What a sanitizer ends the process with. */
export const SANITIZER_EXIT = 99;

/**
 * The environment of a Node that loads such an addon: the runtime comes before Node, whose own memory it then watches
 * too. Leaks are not looked for, since Node frees little of its own at its end.
 */
export function sanitizerEnvironment() {
  const { stdout } = attempt('gcc', ['-print-file-name=libasan.so']);
  const runtime = stdout.trim();
  if (!isAbsolute(runtime))
    throw new Failure('gcc brings no libasan.so; install the package of its sanitizers');
  return {
    LD_PRELOAD: runtime,
    ASAN_OPTIONS: `detect_leaks=0:strict_string_checks=1:exitcode=${SANITIZER_EXIT}`,
    UBSAN_OPTIONS: `print_stacktrace=1:exitcode=${SANITIZER_EXIT}`,
  };
}
