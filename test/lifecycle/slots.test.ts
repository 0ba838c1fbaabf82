import { expect, test } from 'vitest';
import { start } from './children.js';
import { dial, frame, join, TEXT } from './fixtures/wire.mjs';

test('transports that never reached a handler give their slots back', async () => {
  const child = await start('slots.mjs', [], { descriptors: 128 });
  const port = Number(await child.line());
  for (let i = 0; i < 400; i++) {
    const client = dial(port, Buffer.from('this is no HTTP\r\n\r\n'));
    expect(await client.head).toMatch(/^HTTP\/1.1 400 /);
    client.reset();
  }
  const client = await join(port);
  client.write(frame(TEXT, 'a slot is left'));
  expect((await client.next())?.payload.toString()).toBe('a slot is left');
  client.reset();
  child.say('close');
  expect(JSON.parse((await child.line())!)).toMatchObject({ accepted: 401, transports: 0 });
  expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
});
