// What programs do with the memory of their messages: keep it, give it away, look at it long afterwards. Looks go
// through memcpy, memset and memcmp, which AddressSanitizer watches; it sees no access of compiled JavaScript.
import { MessageChannel } from 'node:worker_threads';
import { message } from './wire.mjs';

const KEPT = 64;
const OWN_POOL = Buffer.from('x').buffer;

function remember(list, value) {
  list.push(value);
  if (list.length > KEPT) list.shift();
}

/** What handlers of one round hold. `send` takes memory away to another thread, where there is one. */
export function holdings(send) {
  const kept = []; /* messages with what they must be */
  const stolen = []; /* ArrayBuffers that were transferred */

  /** Detaches the memory of a message; what came of it, or nothing where the runtime refuses. */
  function detach(data, random) {
    const { buffer } = data;
    if (buffer === OWN_POOL || buffer.byteLength === Buffer.poolSize) return undefined; /* Node's own */
    try {
      switch (random.below(4)) {
        case 0:
          return buffer.transfer?.();
        case 1:
          return structuredClone(buffer, { transfer: [buffer] });
        case 2: {
          const { port1, port2 } = new MessageChannel();
          port1.postMessage(buffer, [buffer]);
          port1.close(); /* nobody takes it: it is freed */
          port2.close();
          return undefined;
        }
        default:
          if (send)
            setImmediate(send, buffer.transfer?.() ?? structuredClone(buffer, { transfer: [buffer] }));
          return undefined;
      }
    } catch (error) {
      if (error.name === 'DataCloneError' || error instanceof TypeError) return undefined;
      throw error;
    }
  }

  return {
    /** A message that its reader owns for ever. */
    keep(name, item, data) {
      if (item && typeof data !== 'string' && data.length > 0) remember(kept, { name, item, data });
    },
    steal(data, random) {
      if (typeof data === 'string' || data.length === 0) return;
      const taken = detach(data, random);
      /* a message of the same memory that is still to be delivered sees what is written there now */
      if (taken) setImmediate(remember, stolen, taken);
    },
    clone(data) {
      if (typeof data !== 'string' && data.length > 0) structuredClone(data);
    },
    /** Reads what was kept and writes what was stolen. */
    touch(random, fail) {
      for (const { name, item, data } of kept) {
        /* detached with another of the same memory, or as it came */
        if (data.length > 0 && Buffer.compare(data, message(name, item)) !== 0)
          fail(`the kept message ${item.seq} of ${name}, ${item.size} bytes, has changed`);
      }
      for (const memory of stolen) Buffer.from(memory).fill(random.below(256));
    },
    /** At the end: nothing is stolen any more. */
    forget() {
      kept.length = 0;
      stolen.length = 0;
    },
  };
}
