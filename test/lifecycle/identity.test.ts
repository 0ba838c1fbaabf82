import { expect, test } from 'vitest';
import { Out } from '../../lib/crossing/native.js';
import type { Connection } from '../../lib/index.js';
import { turns, type Watched, watch } from '../helpers/lifecycle.js';
import { type Client, frame, TEXT } from './fixtures/wire.mjs';

const echo = { message: (c: Connection, data: string | Buffer) => void c.send(data) };

/** A dead connection, and a living one in its slot, which also has its memory in lws. */
async function successors(w: Watched): Promise<{ old: Connection; young: Connection; client: Client }> {
  const first = await w.join();
  first.client.reset();
  await w.until('close', 1, first.connection);
  for (;;) {
    const next = await w.join();
    if (next.connection.slot === first.connection.slot)
      return { old: first.connection, young: next.connection, client: next.client };
  }
}

async function answers(client: Client, text: string): Promise<void> {
  client.write(frame(TEXT, text));
  expect((await client.next())?.payload.toString()).toBe(text);
}

test('a slot is used again, with another generation and another id', async () => {
  const w = await watch(echo);
  const { old, young } = await successors(w);
  expect(young.slot).toBe(old.slot);
  expect(young.generation).not.toBe(old.generation);
  expect(young.id).not.toBe(old.id);
});

test('no method of a dead connection reaches its successor', async () => {
  const w = await watch({ ...echo, writable() {} });
  const { old, young, client } = await successors(w);
  expect(old.send('for nobody')).toBe('closed');
  expect(old.send(Buffer.alloc(100_000))).toBe('closed');
  old.ping('a');
  old.pause();
  old.requestWritable();
  old.close();
  old.terminate();
  await answers(client, 'untouched');
  expect(young.isOpen).toBe(true);
  expect(old.bufferedAmount).toBe(0);
  expect(w.story(young)).toBe('open message');
});

/* past the check in JS: what waits in the ring when a connection dies */
test('no record with the generation of a dead connection reaches its successor', async () => {
  const w = await watch({ ...echo, writable() {} });
  const { old, young, client } = await successors(w);
  const { crossing } = young;
  const dataKinds = [Out.DATA | (TEXT << 8), Out.RAW, Out.PING, Out.CLOSE];
  for (const kind of dataKinds) crossing.putBytes(kind, old.slot, old.generation, Buffer.from('stale'));
  for (let i = 0; i < 3; i++) crossing.putMessage(TEXT, old, Buffer.from('stale'));
  for (const kind of [Out.PAUSE, Out.WANT_WRITABLE, Out.RESPONSE_END, Out.ACCEPT, Out.TERMINATE])
    crossing.put(kind, old.slot, old.generation);
  expect(crossing.native.send(old.slot, old.generation, TEXT, Buffer.alloc(5000))).toBe(-1);
  expect(crossing.native.send(old.slot, young.generation + 1, TEXT, Buffer.alloc(5000))).toBe(-1);
  expect(crossing.native.send(0xffff_ffff, young.generation, TEXT, Buffer.alloc(5000))).toBe(-1);
  await turns();
  await answers(client, 'untouched');
  expect(w.story(young)).toBe('open message');
});

test('messages to the dead on both sides of a publication are passed over', async () => {
  const w = await watch(echo);
  const { old, young, client } = await successors(w);
  const { crossing } = young;
  young.subscribe('news');
  for (let i = 0; i < 100; i++) {
    crossing.putMessage(TEXT, old, Buffer.from('stale'));
    expect(w.server.publish('news', `${i}`)).toBe(1);
    crossing.putMessage(TEXT, old, Buffer.alloc(i, 0xff));
    young.send(`behind ${i}`);
  }
  for (let i = 0; i < 100; i++)
    for (const text of [`${i}`, `behind ${i}`]) expect((await client.next())?.payload.toString()).toBe(text);
  await answers(client, 'untouched');
});

test('what was sent to a connection that died in the same turn reaches nobody else', async () => {
  const w = await watch(echo);
  const { connection } = await w.join();
  connection.terminate();
  const { crossing, slot, generation } = connection;
  crossing.putBytes(Out.DATA | (TEXT << 8), slot, generation, Buffer.from('behind terminate'));
  await w.until('close');
  const next = await w.join();
  await answers(next.client, 'first of its own');
});

test('ids never repeat, and an id of the dead finds nobody', async () => {
  const w = await watch(echo);
  const ids: string[] = [];
  for (let i = 0; i < 300; i++) {
    const { client, connection } = await w.join();
    ids.push(connection.id, connection.transport.id);
    expect(w.server.connections.get(connection.id)).toBe(connection);
    client.reset();
    await w.until('close', 1, connection);
  }
  expect(new Set(ids).size).toBe(ids.length);
  await w.join();
  for (const id of ids) expect(w.server.connections.get(id)).toBeUndefined();
  for (const id of ['', 'x', ids[0]!.replace(/^./, (c) => (c === '0' ? '1' : '0'))])
    expect(w.server.connections.get(id)).toBeUndefined();
});

test('a connection is only found on its own server', async () => {
  const [a, b] = [await watch(echo), await watch(echo)];
  const { connection } = await a.join();
  expect(a.server.connections.get(connection.id)).toBe(connection);
  expect(b.server.connections.get(connection.id)).toBeUndefined();
});

test('the connections can be walked while they come and go', async () => {
  const w = await watch(echo);
  const joined = await Promise.all([w.join(), w.join(), w.join()]);
  const walked: Connection[] = [];
  for (const connection of w.server.connections) {
    walked.push(connection);
    if (walked.length === 1) for (const { client } of joined) client.reset();
    await w.until('close', 3);
  }
  expect(new Set(walked)).toEqual(new Set(joined.map(({ connection }) => connection)));
  expect(w.server.connections.size).toBe(0);
});
