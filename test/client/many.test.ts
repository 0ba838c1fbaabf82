import { expect, it } from 'vitest';
import { type Connection, connect } from '../../lib/index.js';
import { survivors, turns } from '../helpers/lifecycle.js';
import { queue } from '../helpers/queue.js';
import { startServer, turnUntil } from '../helpers/server.js';

it('300 clients at once each get their own answers, and leave nothing behind', async () => {
  const count = 300;
  const { url, server } = await startServer({ message: (c, data) => void c.send(`${data} back`) });
  const sockets = () =>
    process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length;
  await turns();
  const before = sockets();
  const refs: WeakRef<Connection>[] = [];
  await (async () => {
    const messages = queue<string>();
    const clients = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        connect(url, { data: i, message: (c, data) => messages.push(`${c.data}: ${data}`) }),
      ),
    );
    expect(server.stats()).toMatchObject({ connections: count, transports: count });
    for (const client of clients) client.send(`hello ${client.data}`);
    for (let i = 0; i < count; i++) await messages.next();
    expect([...messages.all].sort()).toEqual(
      Array.from({ length: count }, (_, i) => `${i}: hello ${i} back`).sort(),
    );
    clients.forEach((client, i) => {
      refs.push(new WeakRef(client as Connection));
      if (i % 2) client.close();
      else client.terminate();
    });
    await Promise.all(clients.map((client) => client.closed));
  })();
  await turnUntil(() => server.stats().transports === 0);
  expect(server.stats()).toMatchObject({ opened: count, closed: count, connections: 0 });
  expect(sockets()).toBe(before);
  expect(await survivors(refs, 1)).toBeLessThanOrEqual(1);
});
