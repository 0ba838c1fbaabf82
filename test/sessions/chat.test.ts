import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { type Demo, startDemo } from '../browser/helpers/demo.js';
import { audit } from './helpers/audit.js';
import { untilKept } from './helpers/kept.js';
import { until } from './helpers/managers.js';
import { type RedisServer, startRedis } from './helpers/redis-server.js';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(settings: Record<string, string> = {}, port = 0): Promise<Demo> {
  const demo = await startDemo(port, settings);
  closing.push(() => demo.end('SIGKILL'));
  return demo;
}

async function redis(): Promise<RedisServer> {
  const server = await startRedis();
  closing.push(() => server.stop());
  return server;
}

interface Hello {
  readonly session: { readonly id: string; readonly resumed: boolean };
  readonly name?: string;
  readonly room?: string;
}

type Message = Record<string, unknown> & { readonly type: string };

/** What a tab of the page is to the server. */
async function tab({ url }: Demo, session?: string) {
  const protocols = session === undefined ? ['chat'] : ['chat', `session.${session}`];
  const socket = new WebSocket(url.replace('http', 'ws'), protocols);
  closing.push(() => socket.terminate());
  const messages: Message[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  const next = async (type: string) => {
    await until(type, () => messages.some((message) => message.type === type));
    const [found] = messages.splice(
      messages.findIndex((message) => message.type === type),
      1,
    );
    return found!;
  };
  const hello = (await next('hello')) as unknown as Hello;
  return {
    socket,
    hello,
    closed,
    messages,
    next,
    tell: (message: object) => socket.send(JSON.stringify(message)),
    async join(name: string, room: string) {
      socket.send(JSON.stringify({ type: 'join', name, room }));
      return next('welcome');
    },
    async leave() {
      socket.close();
      return closed;
    },
  };
}

describe('the chat', () => {
  test('a session that is presented again brings its name, its room and its person back', async () => {
    const demo = await start();
    const first = await tab(demo);
    expect(first.socket.protocol).toBe('chat');
    expect(first.hello.session.resumed).toBe(false);
    const { you } = await first.join('Ada', 'Lobby');
    await first.leave();
    const again = await tab(demo, first.hello.session.id);
    const { id } = first.hello.session;
    expect(again.hello).toMatchObject({ session: { id, resumed: true }, name: 'Ada', room: 'lobby' });
    expect(await again.next('welcome')).toMatchObject({ room: 'lobby', you, people: [you] });
  });

  test('without one, or with one that nobody has, there is a new one under an id of the server', async () => {
    const demo = await start();
    const made = '3.thisIdWasMadeUpByItsClient';
    const tabs = [await tab(demo), await tab(demo), await tab(demo, made)];
    const ids = tabs.map(({ hello }) => hello.session.id);
    expect(new Set([...ids, made]).size).toBe(4);
    expect(tabs.map(({ hello }) => hello.session.resumed)).toEqual([false, false, false]);
  });

  test('a takeover ends the earlier connection with 4409, and the others hear of nothing', async () => {
    const demo = await start();
    const bob = await tab(demo);
    await bob.join('Bob', 'lobby');
    const ada = await tab(demo);
    await ada.join('Ada', 'lobby');
    await bob.next('joined');
    const other = await tab(demo, ada.hello.session.id);
    expect(await ada.closed).toBe(4409);
    const { people } = await other.next('welcome');
    expect((people as { name: string }[]).map(({ name }) => name).sort()).toEqual(['Ada', 'Bob']);
    other.tell({ type: 'say', text: 'still me' });
    expect(await bob.next('said')).toMatchObject({ message: { from: { name: 'Ada' }, text: 'still me' } });
    expect(bob.messages.filter(({ type }) => type === 'joined' || type === 'left')).toEqual([]);
  });

  test('a logout ends the connection with 1000 and the session with it', async () => {
    const demo = await start();
    const ada = await tab(demo);
    await ada.join('Ada', 'lobby');
    ada.tell({ type: 'logout' });
    expect(await ada.closed).toBe(1000);
    const again = await tab(demo, ada.hello.session.id);
    expect(again.hello.session.resumed).toBe(false);
    expect(again.hello).not.toHaveProperty('name');
  });

  test('silence ends it with 4440, although pongs go on', async () => {
    const demo = await start({ SESSION_MINUTES: '0.005' });
    const ada = await tab(demo);
    const pongs = setInterval(() => ada.socket.pong(), 20);
    expect(await ada.closed).toBe(4440);
    clearInterval(pongs);
  });

  test('who only watches the figures has no session', async () => {
    const server = await redis();
    const demo = await start({ REDIS_URL: server.url });
    const socket = new WebSocket(demo.url.replace('http', 'ws'), ['stats']);
    closing.push(() => socket.terminate());
    await once(socket, 'message');
    const ada = await tab(demo);
    await ada.join('Ada', 'lobby');
    const { keys, contradictions } = await audit(server.url, 'chat:');
    expect(keys.filter((key) => key.includes('}:s:'))).toHaveLength(1);
    expect(contradictions).toEqual([]);
  });

  test('while Redis is away those who talk go on, and who comes gets 1013', async () => {
    const server = await redis();
    const demo = await start({ REDIS_URL: server.url });
    const [ada, bob] = [await tab(demo), await tab(demo)];
    await ada.join('Ada', 'lobby');
    await bob.join('Bob', 'lobby');
    await server.kill();
    const late = new WebSocket(demo.url.replace('http', 'ws'), ['chat']);
    const [code] = await once(late, 'close');
    expect(code).toBe(1013);
    ada.tell({ type: 'say', text: 'still here' });
    expect(await bob.next('said')).toMatchObject({ message: { text: 'still here' } });
    ada.tell({ type: 'logout' });
    expect(await ada.next('refused')).toMatchObject({ code: 'store' });
    expect(demo.complaints()).not.toContain(ada.hello.session.id);
  });

  test('two servers with one Redis hand a session over', async () => {
    const server = await redis();
    const [one, two] = await Promise.all([
      start({ REDIS_URL: server.url }),
      start({ REDIS_URL: server.url }),
    ]);
    const ada = await tab(one);
    await ada.join('Ada', 'lobby');
    await untilKept(server.url, ada.hello.session.id);
    const moved = await tab(two, ada.hello.session.id);
    expect(await moved.next('welcome')).toMatchObject({ room: 'lobby', you: { name: 'Ada' } });
    expect(await ada.closed).toBe(4409);
  });

  test.each(['x', '-1', '0', 'Infinity', '1e9'])(
    'SESSION_MINUTES=%s is refused with a sentence',
    async (minutes) => {
      await expect(start({ SESSION_MINUTES: minutes })).rejects.toThrow(
        `Expected from 0.005 to 1000000 minutes in SESSION_MINUTES but got "${minutes}"`,
      );
    },
  );
});
