// Files in both directions, of any size, in little memory. README.md says what to expect.
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'libwebsockets';
import { pump, store, waker } from './flow.mjs';

const folder = process.env.FOLDER || 'build/binary-stream';
const largest = Number(process.env.LARGEST || 1024 ** 3);
let uploads = 0;

await mkdir(folder, { recursive: true });

const server = createServer({
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8080),
  upgrade({ path }) {
    // A name without folders, and no dot in front: what a client says never leaves the folder.
    const [, way, name] = /^\/(get|put)\/(\w[\w.-]{0,99})$/.exec(path) ?? [];
    if (name === undefined) return { status: 404, body: 'ask for /get/<name> or /put/<name>\n' };
    return { data: { way, file: join(folder, name), ...waker() } };
  },
  open: (connection) => void exchange(connection), // not awaited: messages may come before it has settled
  writable: (connection) => connection.data.wake(),
  close: (connection) => connection.data.wake(),
  maxPayload: 1024 * 1024,
});

async function exchange(connection) {
  const { way, file } = connection.data;
  try {
    const told =
      way === 'get' ? await pump(createReadStream(file), connection) : await take(connection, file);
    connection.send(JSON.stringify(told));
    connection.close();
  } catch (error) {
    connection.close(4000, error.code === 'ENOENT' ? 'no such file' : error.message.slice(0, 100));
  }
}

/** Takes a file in beside its name, and puts it there when it is whole. */
async function take(connection, file) {
  const part = `${file}.part-${++uploads}`;
  try {
    const told = await store(connection, createWriteStream(part), largest);
    await rename(part, file);
    return told;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

const { address, port } = await server.listen();
console.log(`Files come and go at ws://${address}:${port}/ (Ctrl-C ends it)`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close({ timeout: 2000 }));
