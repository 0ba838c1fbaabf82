import { expect, test } from 'vitest';
import { type Child, start } from './children.js';
import { CLOSE, type Client, closeFrame, dial, frame, join, TEXT } from './fixtures/wire.mjs';

const soak = process.env.LWS_SOAK !== undefined;
/* until the process has what it keeps: compiled code, pools, arenas */
const WARM_UP = soak ? 100_000 : 8_000;
/* V8 takes memory in steps of its own, now and then: what a connection leaves behind grows in each window */
const WINDOWS = 3;
const WINDOW = soak ? 300_000 : 6_000;
const TOTAL = WARM_UP + WINDOWS * WINDOW;
const AT_ONCE = 32;

interface Report {
  accepted: number;
  opened: number;
  closed: number;
  transports: number;
  connections: number;
  topics: number;
  subscriptions: number;
  /** Connection objects that were collected. */
  collected: number;
  highestSlot: number;
  rss: number;
  heapUsed: number;
  arrayBuffers: number;
  descriptors: number;
}

async function echoed(client: Client, text: string): Promise<void> {
  client.write(frame(TEXT, text));
  const { payload } = (await client.next())!;
  if (payload.toString() !== text) throw new Error(`${text} came back as ${payload}`);
}

async function answerClose(client: Client): Promise<void> {
  const close = (await client.next())!;
  if (close.opcode !== CLOSE) throw new Error(`Expected a close frame but got ${close.opcode}`);
  client.write(closeFrame(close.payload.readUInt16BE()));
  client.shut();
}

/** The ways a connection may go, in turn. */
const lives: ((port: number) => Promise<Client>)[] = [
  async (port) => {
    const client = await join(port);
    await echoed(client, 'a peer that closes');
    client.write(closeFrame(1000, 'with a reason that is kept until close'));
    await client.next();
    client.shut();
    return client;
  },
  async (port) => {
    const client = await join(port);
    await echoed(client, 'a peer that resets inside a message');
    client.write(frame(TEXT, 'x'.repeat(5000), false));
    client.reset();
    return client;
  },
  async (port) => {
    const client = await join(port);
    client.shut();
    return client;
  },
  async (port) => {
    const client = await join(port);
    client.write(frame(TEXT, 'close'));
    await answerClose(client);
    return client;
  },
  async (port) => {
    const client = await join(port);
    client.write(frame(TEXT, 'terminate'));
    return client;
  },
  async (port) => {
    const client = dial(port);
    client.socket.once('connect', () => client.reset());
    return client;
  },
  async (port) => {
    const client = dial(port, Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'));
    await client.head;
    return client;
  },
];

async function come(port: number, count: number): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const client = await lives[next++ % lives.length]!(port);
      /* the server ends first where the client did not */
      await client.next();
      if (!client.socket.destroyed) client.shut();
      await client.over;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function report(child: Child): Promise<Report> {
  child.say('report');
  return JSON.parse((await child.line())!) as Report;
}

test(
  `${TOTAL} connections leave nothing behind`,
  async () => {
    /* a young generation that may grow would hide what grows */
    const child = await start('churn-server.mjs', [], { node: ['--expose-gc', '--max-semi-space-size=1'] });
    const port = Number(await child.line());
    await come(port, WARM_UP);
    const reports = [await report(child)];
    for (let i = 0; i < WINDOWS; i++) {
      await come(port, WINDOW);
      reports.push(await report(child));
    }
    const before = reports[0]!;
    const after = reports[WINDOWS]!;
    const quiet = { transports: 0, connections: 0, topics: 0, subscriptions: 0 };
    for (const one of reports) expect(one).toMatchObject(quiet);
    expect(after.accepted).toBe(TOTAL);
    expect(after.opened).toBeGreaterThan(TOTAL / 2);
    expect(after.closed).toBe(after.opened);
    expect(after.collected).toBe(after.opened);
    expect(after.descriptors).toBe(before.descriptors);
    /* those at once, and those that rest while their end is told */
    expect(after.highestSlot).toBeLessThan(4 * AT_ONCE);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(256 * 1024);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(1024 * 1024);
    /* less than any struct of a connection; under LWS_SOAK less than nine bytes */
    const growths = reports.slice(1).map(({ rss }, i) => rss - reports[i]!.rss);
    expect(Math.min(...growths) / WINDOW).toBeLessThan(soak ? 9 : 500);
    child.say('end');
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  },
  TOTAL * 2 /* milliseconds each, beside another suite */,
);
