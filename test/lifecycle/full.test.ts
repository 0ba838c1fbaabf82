import { expect, test } from 'vitest';
import { type Child, start } from './children.js';
import { BINARY, frame, join } from './fixtures/wire.mjs';

const soak = process.env.LWS_SOAK !== undefined;
/* under LWS_SOAK a whole process' worth, but for what Node itself and the busy ones hold */
const DESCRIPTORS = soak ? 20_000 : 3_100;
const IDLE = DESCRIPTORS - 100;
const BUSY = 10;
const MESSAGES = soak ? 20_000 : 4_000;

interface Report {
  connections: number;
  messagesReceived: number;
  paused: number;
  cpu: number;
  rss: number;
}

async function report(server: Child): Promise<Report> {
  server.say('report');
  return JSON.parse((await server.line())!);
}

/** Microseconds of the server's CPU time for one of many echoes. */
async function costOfEcho(server: Child, port: number): Promise<number> {
  const clients = await Promise.all(Array.from({ length: BUSY }, () => join(port)));
  const talk = async (rounds: number) => {
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < rounds; i++) {
          client.write(frame(BINARY, 'twenty bytes exactly'));
          await client.next();
        }
      }),
    );
  };
  await talk(MESSAGES / 4);
  const before = await report(server);
  await talk(MESSAGES);
  const after = await report(server);
  for (const client of clients) client.reset();
  return (after.cpu - before.cpu) / (after.messagesReceived - before.messagesReceived);
}

test(`${IDLE} idle connections fill a process, and cost those that talk nothing`, async () => {
  const server = await start('full-server.mjs', [], { descriptors: DESCRIPTORS });
  const port = Number(await server.line());
  const alone = await costOfEcho(server, port);
  const empty = await report(server);
  const idle = await start('idle-clients.mjs', [String(port), String(IDLE)], { descriptors: DESCRIPTORS });
  expect(await idle.line()).toBe(String(IDLE));
  const among = await costOfEcho(server, port);
  const full = await report(server);
  expect(full.connections).toBeGreaterThanOrEqual(IDLE);
  expect(full.paused).toBe(0);
  idle.say('end');
  expect((await idle.ended).code).toBe(0);
  const again = await costOfEcho(server, port);
  /* what grows with the number of connections would grow a hundredfold */
  expect(among).toBeLessThan((soak ? 1.5 : 2.5) * Math.max(alone, again));
  /* no pages of an idle connection are touched twice; far above what each needs */
  expect((full.rss - empty.rss) / IDLE).toBeLessThan(6_000);
  server.say('end');
  expect((await server.ended).code).toBe(0);
});
