import { expect, it } from 'vitest';
import { queue } from '../helpers/queue.js';
import { startServer } from '../helpers/server.js';
import { certificates } from './helpers/certificates.js';
import { joinSecurely } from './helpers/clients.js';

const made = certificates();
const root = made.authority('root');
const one = made.issue('one', 'root', 'DNS:localhost,IP:127.0.0.1');
const trusted = { ca: root.cert, servername: 'localhost' };

it('publications of every size reach TLS peers in order, also those that read late', async () => {
  const opened = queue<unknown>();
  const { server, port } = await startServer({
    tls: one,
    maxBackpressure: 2 ** 30,
    open(connection) {
      connection.subscribe('news');
      opened.push(connection);
    },
  });
  const clients = [];
  for (let i = 0; i < 4; i++) {
    clients.push(await joinSecurely(port, trusted));
    await opened.next();
  }
  clients[3]!.pause();
  const sizes = [0, 1, 125, 126, 1024, 1025, 16_384, 70_000, 1_500_000];
  const count = 45;
  for (let i = 0; i < count; i++) {
    expect(server.publish('news', Buffer.alloc(sizes[i % sizes.length]!, i))).toBe(4);
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const client of clients) {
    client.resume();
    const frames = await client.frames(count);
    for (const [i, { payload }] of frames.entries())
      expect(payload.equals(Buffer.alloc(sizes[i % sizes.length]!, i))).toBe(true);
  }
});
