import { describe, expect, it } from 'vitest';
import { connect, createServer, LwsError, type SendOptions } from '../../lib/index.js';
import { audience, heard } from '../helpers/audience.js';
import { Opcode } from '../helpers/frames.js';
import { startServer, turnUntil } from '../helpers/server.js';

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(LwsError);
    return (error as LwsError).code;
  }
  return 'nothing was thrown';
}

describe('publish', () => {
  it('of the server reaches every subscriber once, and tells how many', async () => {
    const { server, seats, join } = await audience();
    const all = await seats(5);
    const outside = await join(['other']);
    expect(server.publish('news', 'hello')).toBe(5);
    expect(server.publish('other', 'the end')).toBe(1);
    expect(await Promise.all(all.map(heard))).toEqual(Array(5).fill('hello'));
    expect(await heard(outside)).toBe('the end');
    expect(server.stats().messagesSent).toBe(6);
  });

  it('of a connection reaches every subscriber but itself', async () => {
    const { server, seats } = await audience();
    const [first, ...others] = await seats(4);
    expect(first!.connection.publish('news', 'from the first')).toBe(3);
    server.publish('news', 'end');
    expect(await Promise.all(others.map(heard))).toEqual(Array(3).fill('from the first'));
    expect(await heard(first!)).toBe('end');
  });

  it('of a connection needs no subscription of its own', async () => {
    const { seats, join } = await audience();
    const [listener] = await seats(1);
    const speaker = await join();
    expect(speaker.connection.publish('news', 'hi')).toBe(1);
    expect(await heard(listener!)).toBe('hi');
  });

  it('goes to those subscribed at the time of the call', async () => {
    const { server, join } = await audience();
    const late = await join();
    const early = await join(['news']);
    expect(server.publish('news', '1')).toBe(1);
    late.connection.subscribe('news');
    expect(server.publish('news', '2')).toBe(2);
    early.connection.unsubscribe('news');
    expect(server.publish('news', '3')).toBe(1);
    early.connection.send('end');
    expect([await heard(late), await heard(late)]).toEqual(['2', '3']);
    expect([await heard(early), await heard(early), await heard(early)]).toEqual(['1', '2', 'end']);
  });

  it('copies its bytes during the call', async () => {
    const { server, seats } = await audience();
    const [one] = await seats(1);
    const data = Buffer.from('before');
    server.publish('news', data);
    data.fill('x');
    expect(await heard(one!)).toBe('before');
  });

  const bytes = Buffer.from('bytes €');
  const kinds: [
    what: string,
    data: string | Uint8Array | ArrayBuffer,
    options: SendOptions | undefined,
    number,
  ][] = [
    ['a string as text', 'bytes €', undefined, Opcode.TEXT],
    ['a Buffer as binary', bytes, undefined, Opcode.BINARY],
    ['a Uint8Array as binary', new Uint8Array(bytes), {}, Opcode.BINARY],
    ['an ArrayBuffer as binary', new Uint8Array(bytes).buffer, undefined, Opcode.BINARY],
    ['bytes as text when asked to', bytes, { binary: false }, Opcode.TEXT],
    ['a string as binary when asked to', 'bytes €', { binary: true }, Opcode.BINARY],
    ['uncompressed as always without permessage-deflate', 'bytes €', { compress: true }, Opcode.TEXT],
  ];
  it.each(kinds)('sends %s', async (_, data, options, opcode) => {
    const { server, seats } = await audience();
    const [one] = await seats(1);
    server.publish('news', data, options);
    expect(await one!.client.frame()).toEqual({ fin: true, rsv: 0, opcode, masked: false, payload: bytes });
  });

  it.each([0, 1, 125, 126, 1024, 1025, 4096, 65_535, 65_536, 3_000_000])('carries %i bytes', async (size) => {
    const { server, seats } = await audience();
    const all = await seats(3);
    const data = Buffer.alloc(size, 'abc');
    expect(server.publish('news', data)).toBe(3);
    expect(server.publish('news', data.toString('latin1'))).toBe(3);
    for (const { client } of all) {
      expect((await client.frame()).payload.equals(data)).toBe(true);
      expect((await client.frame()).payload.equals(data)).toBe(true);
    }
  });

  it('makes lone surrogates in text U+FFFD, as send does', async () => {
    const { server, seats } = await audience();
    const [one] = await seats(1);
    server.publish('news', 'a\ud800b');
    expect(await heard(one!)).toBe('a\ufffdb');
  });

  it('reaches nobody where nobody is subscribed, nor before listen, nor on a closed server', async () => {
    const { server } = await audience();
    expect(server.publish('news', 'x')).toBe(0);
    const other = createServer();
    expect([other.publish('news', 'x'), other.subscribers('news')]).toEqual([0, 0]);
    await other.close();
    expect([other.publish('news', 'x'), other.subscribers('news')]).toEqual([0, 0]);
    expect(other.stats()).toMatchObject({ topics: 0, subscriptions: 0 });
  });

  it('stays within its server', async () => {
    const here = await audience();
    const there = await audience();
    const [mine] = await here.seats(1);
    const [theirs] = await there.seats(1);
    expect(here.server.publish('news', 'here')).toBe(1);
    expect(there.server.publish('news', 'there')).toBe(1);
    expect([await heard(mine!), await heard(theirs!)]).toEqual(['here', 'there']);
  });

  it('goes across the subprotocols of a server', async () => {
    const opened: import('../../lib/index.js').Connection[] = [];
    const open = (connection: import('../../lib/index.js').Connection) => {
      connection.subscribe('news');
      opened.push(connection);
    };
    const running = await startServer({ protocols: { a: { open }, b: { open } }, open });
    const clients = [];
    for (const name of ['a', 'b', undefined])
      clients.push(await running.open({ headers: { 'Sec-WebSocket-Protocol': name } }));
    await turnUntil(() => opened.length === 3);
    expect(opened.map(({ protocol }) => protocol)).toEqual(['a', 'b', '']);
    expect(opened[0]!.publish('news', 'hi')).toBe(2);
    expect((await clients[1]!.frame()).payload.toString()).toBe('hi');
    expect((await clients[2]!.frame()).payload.toString()).toBe('hi');
  });
});

describe('subscriptions', () => {
  it('tell whether they changed something', async () => {
    const { server, join } = await audience();
    const one = await join();
    const { connection } = one;
    expect([connection.subscribe('a'), connection.subscribe('a')]).toEqual([true, false]);
    expect(server.publish('a', 'once')).toBe(1);
    expect([connection.unsubscribe('a'), connection.unsubscribe('a')]).toEqual([true, false]);
    expect([connection.unsubscribe('never'), server.publish('a', 'to nobody')]).toEqual([false, 0]);
    connection.send('end');
    expect([await heard(one), await heard(one)]).toEqual(['once', 'end']);
  });

  it('are counted per topic and in stats()', async () => {
    const { server, join } = await audience();
    const one = await join(['a', 'b']);
    const two = await join(['b']);
    expect(['a', 'b', 'c'].map((topic) => server.subscribers(topic))).toEqual([1, 2, 0]);
    expect(server.stats()).toMatchObject({ topics: 2, subscriptions: 3 });
    one.connection.unsubscribe('a');
    two.connection.unsubscribe('b');
    expect(server.stats()).toMatchObject({ topics: 1, subscriptions: 1 });
  });

  it('are listed in a snapshot, oldest first', async () => {
    const { join } = await audience();
    const { connection } = await join();
    expect(connection.topics).toEqual([]);
    for (const topic of ['b', 'a', 'c', 'a']) connection.subscribe(topic);
    const before = connection.topics;
    connection.unsubscribe('b');
    expect([before, connection.topics]).toEqual([
      ['b', 'a', 'c'],
      ['a', 'c'],
    ]);
  });

  it('tell apart what JavaScript tells apart', async () => {
    const { server, join } = await audience();
    const names = ['a', 'A', 'a\0', 'ä', 'a\u0308', '\ud800', '\udfff', '\ufffd', '😀', 'x'.repeat(255), '1'];
    const seat = await join(names);
    expect(server.stats()).toMatchObject({ topics: names.length, subscriptions: names.length });
    expect(names.map((name) => server.publish(name, name))).toEqual(names.map(() => 1));
    for (const name of names) expect(await heard(seat)).toBe(Buffer.from(name).toString());
  });

  it('are as many as maxSubscriptions allows, and free again when they end', async () => {
    const { join, server } = await audience({ maxSubscriptions: 3 });
    const { connection } = await join(['a', 'b', 'c']);
    expect(codeOf(() => connection.subscribe('d'))).toBe('ERR_LIMIT');
    expect([connection.subscribe('a'), connection.topics.length, server.stats().topics]).toEqual([
      false,
      3,
      3,
    ]);
    connection.unsubscribe('b');
    expect(connection.subscribe('d')).toBe(true);
  });

  it('are 1024 at most by default', async () => {
    const { join } = await audience();
    const { connection } = await join(Array.from({ length: 1024 }, (_, i) => `topic ${i}`));
    expect(() => connection.subscribe('one more')).toThrow(
      'Expected at most 1024 subscriptions of a connection (maxSubscriptions) but it asks for one more',
    );
  });

  it('survive any order of coming and going', async () => {
    const { server, join } = await audience();
    const connections = [];
    for (let i = 0; i < 8; i++) connections.push((await join()).connection);
    const names = Array.from({ length: 40 }, (_, i) => `topic ${i}`);
    const sets = connections.map(() => new Set<string>());
    let seed = 1;
    const draw = (below: number) => {
      seed = (seed * 48271) % 0x7fffffff;
      return seed % below;
    };
    for (let i = 0; i < 20_000; i++) {
      const who = draw(connections.length);
      const name = names[draw(names.length)]!;
      const leaves = draw(2) === 0;
      const changed = leaves ? connections[who]!.unsubscribe(name) : connections[who]!.subscribe(name);
      expect(changed).toBe(leaves ? sets[who]!.delete(name) : !sets[who]!.has(name));
      if (!leaves) sets[who]!.add(name);
    }
    for (const name of names)
      expect(server.subscribers(name)).toBe(sets.filter((set) => set.has(name)).length);
    expect(server.stats().subscriptions).toBe(sets.reduce((sum, set) => sum + set.size, 0));
  });
});

describe('wrong arguments', () => {
  const names: [what: string, name: unknown, came: string][] = [
    ['an empty name', '', 'one of 0'],
    ['a name of 256 characters', 'x'.repeat(256), 'one of 256'],
    ['a number', 7, 'the number 7'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object', {}, 'an object of Object'],
  ];
  it.each(names)('of a topic are refused: %s', async (_, name, came) => {
    const { server, join } = await audience();
    const { connection } = await join(['a']);
    const topic = name as string;
    const text = `Expected a string of 1 to 255 characters for a topic but got ${came}`;
    for (const call of [
      () => connection.subscribe(topic),
      () => connection.unsubscribe(topic),
      () => connection.publish(topic, 'x'),
      () => server.publish(topic, 'x'),
      () => server.subscribers(topic),
    ]) {
      expect(codeOf(call)).toBe('ERR_INVALID_ARGUMENT');
      expect(call).toThrow(text);
    }
    expect(server.stats()).toMatchObject({ topics: 1, subscriptions: 1 });
  });

  it.each([[7], [undefined], [null], [{}], [['x']]])('of data are refused: %j', async (data) => {
    const { server, join } = await audience();
    const { connection } = await join(['a']);
    expect(codeOf(() => server.publish('a', data as string))).toBe('ERR_INVALID_ARGUMENT');
    expect(codeOf(() => connection.publish('a', data as string))).toBe('ERR_INVALID_ARGUMENT');
  });

  it.each([[0], [-1], [1.5], ['3'], [null]])('of maxSubscriptions are refused: %j', (value) => {
    expect(codeOf(() => createServer({ maxSubscriptions: value as number }))).toBe('ERR_INVALID_OPTION');
  });
});

it('connections of connect() have no topics, and say so', async () => {
  const { url } = await audience();
  const connection = await connect(url);
  for (const call of [
    () => connection.subscribe('a'),
    () => connection.unsubscribe('a'),
    () => connection.publish('a', 'x'),
  ]) {
    expect(codeOf(call)).toBe('ERR_INVALID_STATE');
    expect(call).toThrow('Expected a connection of a server for topics but got a client');
  }
  expect(connection.topics).toEqual([]);
  connection.terminate();
});
