// client.mjs put <file> [url], client.mjs get <name> <file> [url]
import { createReadStream, createWriteStream } from 'node:fs';
import { basename } from 'node:path';
import { connect } from 'libwebsockets';
import { pump, store, waker } from './flow.mjs';

const [, , way, ...args] = process.argv;
const base = (at) => (args[at] ?? 'ws://127.0.0.1:8080/').replace(/\/$/, '');
const ways = { put, get };

function dial(url) {
  return connect(url, {
    data: waker(),
    writable: (connection) => connection.data.wake(),
    close: (connection) => connection.data.wake(),
  });
}

async function put(file) {
  const connection = await dial(`${base(1)}/put/${basename(file)}`);
  const sent = await pump(createReadStream(file), connection);
  connection.send('all');
  for await (const answer of connection) return compare(sent, JSON.parse(String(answer)));
  throw new Error((await connection.closed).reason);
}

async function get(name, file) {
  const connection = await dial(`${base(2)}/get/${name}`);
  const got = await store(connection, createWriteStream(file), Number.POSITIVE_INFINITY).catch(
    async (error) => {
      throw new Error((await connection.closed).reason || error.message);
    },
  );
  return compare(got, JSON.parse(got.told));
}

function compare(here, there) {
  if (here.sha256 !== there.sha256) throw new Error('the bytes differ');
  return `${here.bytes} bytes, sha256 ${here.sha256}`;
}

try {
  if (ways[way] === undefined)
    throw new Error('client.mjs put <file> [url], client.mjs get <name> <file> [url]');
  console.log(await ways[way](...args));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
