import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { watch } from '../helpers/lifecycle.js';

/* JS may throw wherever a function begins: for want of stack, or of the time that a vm has. */

/** Calls `act` deeper and deeper until the stack is used up; `filler` moves where that is met. */
function exhaust(act: () => void, ...filler: number[]): void {
  act();
  exhaust(act, ...filler);
}

const ways: [name: string, send: (act: () => void, round: number) => void][] = [
  ['the stack', (act, round) => exhaust(act, ...new Array<number>(round).fill(round))],
  ['its time', (act) => runInNewContext('for (;;) act()', { act }, { timeout: 1 })],
];

test.each(
  ways.flatMap(([name, run]) => [
    [name, 'texts', 'x', run] as const,
    [name, 'bytes', Buffer.from('y'), run] as const,
  ]),
)('who runs out of %s while sending %s costs nobody a message', async (_name, _kind, message, run) => {
  const w = await watch({ message() {} });
  const [one, other] = [await w.join(), await w.join()];
  for (let round = 0; round < 16; round++) {
    let accepted = 0;
    const act = () => {
      one.connection.send(message);
      accepted++;
    };
    expect(() => run(act, round)).toThrow();
    for (let i = 0; i < 3; i++) expect(other.connection.send(`other ${i}`)).not.toBe('closed');
    one.connection.send('end');
    for (let i = 0; i < 3; i++) expect((await other.client.next())?.payload.toString()).toBe(`other ${i}`);
    let arrived = 0;
    for (let text = ''; text !== 'end'; arrived++) {
      text = (await one.client.next())!.payload.toString();
      if (text !== 'end' && text !== `${message}`) throw new Error(`"${text}" was never sent`);
    }
    /* the last one may have been written before the throw came */
    expect([accepted + 1, accepted + 2]).toContain(arrived);
  }
});
