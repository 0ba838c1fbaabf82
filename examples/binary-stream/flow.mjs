// How a stream and a connection wait for each other.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';

const most = 256 * 1024;

/** What `connection.data` needs for {@link pump}; call `wake` in `writable` and in `close`. */
export function waker() {
  let waiting = () => {};
  return {
    wake: () => waiting(),
    asleep: () =>
      new Promise((resolve) => {
        waiting = resolve;
      }),
  };
}

/** Sends what a stream yields, no faster than the other side reads: at most 256 KiB and a piece wait here. */
export async function pump(source, connection) {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of source) {
    if (connection.send(piece) === 'closed') throw new Error('the other side left');
    hash.update(piece);
    bytes += piece.length;
    if (connection.bufferedAmount < most) continue;
    const writable = connection.data.asleep();
    connection.requestWritable();
    await writable;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/**
 * Writes binary messages to a stream until a text says that it was all. While the stream is busy nothing is read,
 * and so the other side has to wait.
 */
export async function store(connection, target, largest) {
  const hash = createHash('sha256');
  const written = finished(target);
  written.catch(() => {}); // told where it is awaited
  let bytes = 0;
  try {
    for await (const piece of connection) {
      if (typeof piece === 'string') {
        target.end();
        await written;
        return { bytes, sha256: hash.digest('hex'), told: piece };
      }
      bytes += piece.length;
      if (bytes > largest) throw new Error(`larger than ${largest} bytes`);
      hash.update(piece);
      if (!target.write(piece)) await Promise.race([once(target, 'drain'), written]);
    }
    throw new Error('the other side left');
  } finally {
    target.destroy();
    await written.catch(() => {}); // closed, in order or not
  }
}
