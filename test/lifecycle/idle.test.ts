import { expect, test } from 'vitest';
import { type Child, start } from './children.js';
import { closeFrame, frame, join, TEXT } from './fixtures/wire.mjs';

const clean = { code: 0, signal: null, stderr: '' };

async function portOf(child: Child): Promise<number> {
  return Number(await child.line());
}

test.each([
  'created only',
  'unref() before listen()',
  'unref() after listen()',
  'closed',
  'listening twice over',
])('an idle server lets the process exit: %s', async (name) => {
  const child = await start('idle.mjs', [name]);
  child.say('the rest of the loop is over');
  expect(await child.ended).toMatchObject(clean);
});

test('an idle server that is unref’ed after its connections came and went lets the process exit', async () => {
  const child = await start('idle.mjs', ['unref() after listen()']);
  const client = await join(await portOf(child));
  client.write(closeFrame(1000));
  await client.next();
  client.shut();
  expect(await client.over).toEqual({ fin: true, error: undefined });
  child.say('the rest of the loop is over');
  expect(await child.ended).toMatchObject(clean);
});

test('ref() keeps the process, until the server is closed', async () => {
  const child = await start('idle.mjs', ['ref() again']);
  const port = await portOf(child);
  child.say('the rest of the loop is over');
  const first = await join(port);
  first.write(frame(TEXT, 'still served'));
  expect((await first.next())?.payload.toString()).toBe('still served');
  first.reset();
  await first.over;
  const second = await join(port);
  second.write(frame(TEXT, 'close the server'));
  await second.next();
  await second.next();
  second.write(closeFrame(1001));
  second.shut();
  expect(await child.ended).toMatchObject(clean);
});

test('an open connection keeps the process, until it ends', async () => {
  const child = await start('idle.mjs', ['unref() with a connection']);
  const client = await join(await portOf(child));
  child.say('the rest of the loop is over');
  for (const text of ['still', 'served']) {
    client.write(frame(TEXT, text));
    expect((await client.next())?.payload.toString()).toBe(text);
  }
  client.write(closeFrame(1000));
  await client.next();
  client.shut();
  expect(await child.ended).toMatchObject(clean);
});
