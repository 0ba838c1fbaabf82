import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeBody, Opcode } from '../helpers/frames.js';
import { handshakeText, type RawClient } from '../helpers/raw-client.js';
import { turnUntil } from '../helpers/server.js';
import { type Attached, attached } from './helpers/attached.js';
import {
  connectRawPlain,
  connectRawTls,
  extendedConnect,
  http2Session,
  type Kind,
  openOver,
} from './helpers/node-servers.js';

const kinds: Kind[] = ['http', 'https', 'h2c', 'h2'];

const descriptors = () => readdirSync('/proc/self/fd').length;

const endings: [string, (client: RawClient, made: Attached) => unknown][] = [
  [
    'a close handshake',
    async (client) => {
      client.send({ opcode: Opcode.CLOSE, payload: closeBody(1000) });
      await client.ended;
      client.end();
    },
  ],
  ['a reset', (client) => client.reset()],
  ['a half-close', (client) => client.end()],
  ['terminate()', async (_, { record }) => (await record.opened.next()).terminate()],
];

/** One refused upgrade; its body is read to the end. */
async function refused(kind: Kind, port: number): Promise<void> {
  if (kind === 'h2c' || kind === 'h2') {
    const session = await http2Session(kind, port);
    const { stream } = await extendedConnect(session, { 'sec-websocket-version': '12' });
    await stream.resume().toArray();
    session.destroy();
    return;
  }
  const client = kind === 'http' ? await connectRawPlain(port) : await connectRawTls(port);
  client.write(handshakeText({ headers: { 'Sec-WebSocket-Version': '12' } }));
  await client.bytesToEnd();
  client.destroy();
}

test.each(kinds)('connections over %s leave no descriptor behind, however they end', async (kind) => {
  const made = await attached(kind);
  await refused(kind, made.port); /* what is made once is made */
  const before = descriptors();
  for (let round = 0; round < 5; round++) {
    for (const [, end] of endings) {
      const client = await openOver(kind, made.port);
      if (end !== endings[3]![1]) await made.record.opened.next();
      await end(client, made);
      await made.record.closed.next();
      await client.ended;
      client.destroy();
    }
    await refused(kind, made.port);
  }
  expect(made.server.stats()).toMatchObject({ opened: 20, closed: 20 });
  await turnUntil(() => made.server.stats().transports === 0);
  if (kind === 'h2c' || kind === 'h2') made.endSessions();
  await turnUntil(() => descriptors() <= before);
});
