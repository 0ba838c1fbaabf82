import { describe, expect, it } from 'vitest';
import { isFinal } from '../../lib/client/verdict.js';
import { LwsError } from '../../lib/index.js';
import { closeCodes } from '../../lib/sessions/close-codes.js';
import { comeBackCodes } from '../../lib/shared/close-codes.js';
import { page } from './helpers/pages.js';

type Row = [first: string, ...rest: string[]];

/** The rows of the table below a heading line, cell by cell. */
function rowsBelow(name: string, header: string): Row[] {
  const { text } = page(name);
  const [, , ...lines] = text.slice(text.indexOf(header)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end).map(
    (line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()) as Row,
  );
}

const numbers = (cell: string) => [...cell.matchAll(/\d+/g)].map(Number);

describe('what a client comes back after is said as the code does it', () => {
  const rows = rowsBelow('docs/client.md', '| it was closed or refused with |');
  const row = (begin: RegExp) => rows.find(([first]) => begin.test(first))!;

  it('close codes, in docs/client.md', () => {
    const [told, does] = row(/^1001/);
    expect([numbers(told).sort(), does]).toEqual([[...comeBackCodes].sort(), 'comes back']);
    const [others, over] = row(/^another close code/);
    expect([numbers(others).filter((code) => comeBackCodes.has(code)), over]).toEqual([[], 'it is over']);
  });

  it('statuses, in docs/client.md', () => {
    const refused = (status: number) =>
      new LwsError('ERR_HANDSHAKE', '', { cause: { status, headers: new Headers() } });
    const [told, does] = row(/^HTTP/);
    expect([numbers(told).filter((status) => isFinal(refused(status))), does]).toEqual([[], 'comes back']);
    const [others, over] = row(/^another status/);
    expect([numbers(others).filter((status) => !isFinal(refused(status))), over]).toEqual([[], 'it is over']);
    const listed = new Set(numbers(told));
    for (let status = 200; status < 500; status++) expect(isFinal(refused(status))).toBe(!listed.has(status));
  });

  it('codes of sessions, in docs/sessions/events.md', () => {
    const told = rowsBelow('docs/sessions/events.md', '| code | meaning | does [`reconnect`]');
    expect(told.map(([code]) => Number(code)).sort()).toEqual(Object.values(closeCodes).sort());
    for (const [code, , does] of told)
      expect(does!.startsWith('yes'), code).toBe(comeBackCodes.has(Number(code)));
  });
});
