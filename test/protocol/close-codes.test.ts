import { expect, it } from 'vitest';
import { LwsError } from '../../lib/index.js';
import { closeBody, Opcode, readClose } from '../helpers/frames.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

/** RFC 6455 7.4.1 and 7.4.2, with 1012–1014 of the IANA registry. */
function mayBeSent(code: number): boolean {
  if (code === 1004 || code === 1005 || code === 1006) return false;
  return (code >= 1000 && code <= 1014) || (code >= 3000 && code <= 4999);
}

const codes = [
  ...Array.from({ length: 5101 }, (_, code) => code),
  8192,
  10_000,
  32_767,
  32_768,
  65_534,
  65_535,
];

it('every close code a peer may send is answered with itself, every other one with 1002 (RFC 6455 7.4)', async () => {
  const told = new Map<string, number>();
  const { open } = await startServer({
    close: (connection, info) => void told.set(connection.request.url, info.code),
  });
  const answered = new Map<number, number>();
  async function probe(code: number): Promise<void> {
    const client = await open({ target: `/${code}` });
    client.send({ opcode: Opcode.CLOSE, payload: closeBody(code) });
    answered.set(code, readClose(await client.frame()).code);
    client.end();
    await client.ended;
  }
  const waiting = [...codes];
  const worker = async () => {
    for (let code = waiting.pop(); code !== undefined; code = waiting.pop()) await probe(code);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  await turnUntil(() => told.size === codes.length);
  const wrongAnswers = codes.filter((code) => answered.get(code) !== (mayBeSent(code) ? code : 1002));
  const wronglyTold = codes.filter((code) => told.get(`/${code}`) !== (mayBeSent(code) ? code : 1006));
  expect({ wrongAnswers, wronglyTold }).toEqual({ wrongAnswers: [], wronglyTold: [] });
});

it('close() takes every code that may be sent and refuses every other one, saying which', async () => {
  const record = recorder();
  const { open } = await startServer({ ...record.handlers });
  const client = await open();
  const connection = await record.opened.next();
  const refused: number[] = [];
  for (const code of codes.filter((one) => !mayBeSent(one)))
    try {
      connection.close(code);
    } catch (error) {
      expect(error).toBeInstanceOf(LwsError);
      expect((error as LwsError).message).toContain(`got the number ${code}`);
      refused.push(code);
    }
  expect(refused).toEqual(codes.filter((code) => !mayBeSent(code)));
  expect(connection.isOpen).toBe(true);
  connection.close(4999, 'fine');
  expect(readClose(await client.frame())).toEqual({ code: 4999, reason: 'fine' });
});

it.each(codes.filter((code) => code < 1015 || code % 999 === 0).filter(mayBeSent))(
  'close(%i) sends that code',
  async (code) => {
    const { open } = await startServer({ open: (connection) => connection.close(code, `code ${code}`) });
    const client = await open();
    expect(readClose(await client.frame())).toEqual({ code, reason: `code ${code}` });
  },
);
