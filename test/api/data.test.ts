import { describe, expect, it } from 'vitest';
import type { Connection, Transport } from '../../lib/index.js';
import { closeBody, Opcode } from '../helpers/frames.js';
import { queue } from '../helpers/queue.js';
import { handshakeText } from '../helpers/raw-client.js';
import { recorder, startServer } from '../helpers/server.js';

describe('connection.data', () => {
  it.each([
    ['an object', { a: 1 }],
    ['a number', 0],
    ['an empty string', ''],
    ['null', null],
    ['a function', () => {}],
    ['nothing', undefined],
  ])('is what upgrade returned: %s', async (_, data) => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, upgrade: () => ({ data: data as unknown }) });
    await open();
    expect((await record.opened.next()).data).toBe(data);
  });

  it('may be set at any time, and is read in close for the last time', async () => {
    const story: unknown[] = [];
    const closed = queue<Connection>();
    const { open } = await startServer<string | undefined>({
      open: (connection) => {
        story.push(connection.data);
        connection.data = 'from open';
      },
      message: (connection) => {
        story.push(connection.data);
        connection.data = 'from message';
      },
      close: (connection) => {
        story.push(connection.data);
        closed.push(connection as Connection);
      },
    });
    const client = await open();
    client.text('x');
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(1000) });
    client.end();
    const connection = await closed.next();
    await connection.closed;
    expect(story).toEqual([undefined, 'from open', 'from message']);
    expect(connection.data).toBeUndefined();
  });
});

describe('transport.data', () => {
  it('is set in request or upgrade and survives both', async () => {
    const seen: unknown[] = [];
    const transports = new Set<Transport>();
    const record = recorder();
    const { connect } = await startServer<unknown, { visits: number }>({
      ...record.handlers,
      request({ transport }) {
        transports.add(transport as Transport);
        transport.data ??= { visits: 0 };
        transport.data.visits++;
        return new Response('ok');
      },
      upgrade({ transport }) {
        transports.add(transport as Transport);
        transport.data.visits++;
      },
      open: (connection) => void seen.push(connection.transport.data),
      close: ({ transport, request }, info) => {
        seen.push(transport.data);
        transports.add(transport as Transport).add(request.transport as Transport);
        record.closed.push(info);
      },
    });
    const client = await connect();
    for (let i = 0; i < 3; i++) {
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      expect((await client.response()).status).toBe(200);
    }
    await client.handshake();
    client.end();
    await record.closed.next();
    expect(seen).toEqual([{ visits: 4 }, { visits: 4 }]);
    expect(transports.size).toBe(1);
    expect([...transports][0]!.data).toBeUndefined();
  });

  it('is of one transport alone', async () => {
    const record = recorder();
    const { open } = await startServer({
      ...record.handlers,
      upgrade: ({ transport, url }) => {
        transport.data = url;
      },
    });
    await open({ target: '/a' });
    await open({ target: '/b' });
    const [a, b] = [await record.opened.next(), await record.opened.next()];
    expect([a.transport.data, b.transport.data]).toEqual(['/a', '/b']);
    expect(a.transport.id).not.toBe(b.transport.id);
  });
});

describe('connection.memory', () => {
  it('has the size that was asked for, is zeroed, and the same at each use', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, memory: 4096 });
    await open();
    const { memory } = await record.opened.next();
    expect(memory).toBeInstanceOf(ArrayBuffer);
    expect(new Uint8Array(memory)).toEqual(new Uint8Array(4096));
    new Uint8Array(memory).fill(7);
    expect(record.opened.all[0]!.memory).toBe(memory);
  });

  it('is empty by default', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers });
    await open();
    expect((await record.opened.next()).memory.byteLength).toBe(0);
  });

  it('is of one connection alone', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, memory: 8 });
    await open();
    await open();
    const [a, b] = [await record.opened.next(), await record.opened.next()];
    new Uint8Array(a.memory).fill(1);
    expect(new Uint8Array(b.memory)).toEqual(new Uint8Array(8));
  });

  it('keeps what was written until close returned, then is detached', async () => {
    const seen = queue<[ArrayBuffer, number]>();
    const { open } = await startServer({
      memory: 16,
      open: ({ memory }) => void new Uint8Array(memory).fill(9),
      close: ({ memory }) => seen.push([memory, new Uint8Array(memory)[15]!]),
    });
    (await open()).end();
    const [memory, last] = await seen.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect([last, memory.byteLength]).toEqual([9, 0]);
  });

  it('first asked for after close is empty', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, memory: 16 });
    (await open()).end();
    const connection = await record.opened.next();
    await connection.closed;
    expect(connection.memory.byteLength).toBe(0);
  });

  it('may be given away', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers, memory: 16 });
    const client = await open();
    const connection = await record.opened.next();
    new Uint8Array(connection.memory).fill(5);
    const taken = structuredClone(connection.memory, { transfer: [connection.memory] });
    expect(connection.memory.byteLength).toBe(0);
    client.end();
    await connection.closed;
    expect(new Uint8Array(taken)).toEqual(new Uint8Array(16).fill(5));
  });
});

describe('ids', () => {
  it('never repeat, although slots do', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers });
    const ids = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const client = await open();
      const connection = await record.opened.next();
      ids.add(connection.id).add(connection.transport.id);
      client.end();
      await record.closed.next();
    }
    expect(ids.size).toBe(200);
  });

  it('stay after the connection died', async () => {
    const record = recorder();
    const { open } = await startServer({ ...record.handlers });
    (await open()).end();
    const connection = await record.opened.next();
    const { id, transport } = connection;
    await connection.closed;
    expect([connection.id, connection.transport.id]).toEqual([id, transport.id]);
  });
});

it('a request on a kept-alive transport may come after another and before the upgrade, in one write', async () => {
  const record = recorder();
  const { connect } = await startServer({ ...record.handlers, request: ({ url }) => new Response(url) });
  const client = await connect();
  client.write(
    `GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n${handshakeText({ target: '/c' })}`,
  );
  expect([(await client.response()).body, (await client.response()).body]).toEqual(['/a', '/b']);
  expect((await client.response()).status).toBe(101);
  expect((await record.opened.next()).request.url).toBe('/c');
});
