import { fileURLToPath } from 'node:url';
import { process } from '../shared/ambient.js';

/** Frames to look through: a bundler may put a few of its own, without a file, before the first that has one. */
const FRAMES = 50;

/**
 * The file that holds this code as Node loaded it, also where a bundler put it into another: `import.meta.url` and
 * `__filename` are what bundlers replace by the path on the machine that they run on. Undefined where nobody knows.
 * To be called while this module is loaded: then the bundle is on the stack.
 */
export function ownFile(): string | undefined {
  return namesOnStack()
    .map(toPath)
    .find((path) => path !== undefined);
}

function namesOnStack(): (string | null | undefined)[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    // Frames themselves, not their text: source maps change what the text says.
    Error.prepareStackTrace = (_, frames) => frames;
    Error.stackTraceLimit = FRAMES;
    const frames = new Error('place').stack as unknown as NodeJS.CallSite[];
    return frames.map((frame) => frame.getFileName());
  } catch {
    return namesInText(new Error('place').stack ?? ''); // --frozen-intrinsics: nobody may change Error
  } finally {
    try {
      Error.stackTraceLimit = stackTraceLimit;
      Error.prepareStackTrace = prepareStackTrace;
    } catch {} // as above
  }
}

function namesInText(stack: string): string[] {
  return [...stack.matchAll(/((?:file:\/\/)?\/.*?):\d+:\d+\)?$/gm)].map(([, name]) => name!);
}

function toPath(name: string | null | undefined): string | undefined {
  if (typeof name !== 'string') return undefined;
  if (name.startsWith('/')) return name;
  return name.startsWith('file:///') ? fileURLToPath(name) : undefined;
}

/** The script that the process was started with. */
export function mainFile(): string | undefined {
  return toPath(process.argv[1]);
}
