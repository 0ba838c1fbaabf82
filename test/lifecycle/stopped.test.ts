import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { encodeFrame } from '../helpers/frames.js';
import { handshakeText, rawClient } from '../helpers/raw-client.js';
import { certificates } from '../tls/helpers/certificates.js';
import { start } from './children.js';

const made = certificates();
made.authority('root');
const { cert, key } = made.issue('one', 'root', 'DNS:localhost,IP:127.0.0.1');

async function join(port: number, secure: boolean): Promise<Socket> {
  const socket = secure
    ? connectSecurely({ host: '127.0.0.1', port, rejectUnauthorized: false })
    : connectPlain({ host: '127.0.0.1', port });
  onTestFinished(() => void socket.destroy());
  await once(socket, secure ? 'secureConnect' : 'connect');
  const client = rawClient(socket);
  client.write(handshakeText());
  expect((await client.response()).status).toBe(101);
  return socket;
}

it.each([
  ['plain', 1, 4400],
  ['plain', 40, 200],
  ['TLS', 1, 4400],
  ['TLS', 40, 200],
] as const)(
  'over %s, %i clients send %i messages each to a stopped process: it gets all when it goes on',
  async (...row) => {
    const [how, clients, messages] = row;
    const secure = how === 'TLS';
    const child = await start('counter.mjs', [
      String(clients * messages),
      ...(secure ? [cert.toString(), key.toString()] : []),
    ]);
    const port = Number(await child.line());
    const sockets = await Promise.all(Array.from({ length: clients }, () => join(port, secure)));
    child.kill('SIGSTOP');
    const frame = encodeFrame({ opcode: 2, payload: Buffer.of(7) });
    // each waits for the one before, or Node would write several at once, in one record under TLS
    const sendAll = async (socket: Socket): Promise<void> => {
      for (let i = 0; i < messages; i++)
        await new Promise<void>((resolve) => socket.write(frame, () => resolve()));
    };
    await Promise.all(sockets.map(sendAll));
    child.kill('SIGCONT');
    expect(await child.line()).toBe(`all ${clients * messages}`);
    child.kill('SIGKILL');
    await child.ended;
  },
);
