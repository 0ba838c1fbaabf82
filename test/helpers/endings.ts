import { expect } from 'vitest';
import { closeBody, encodeFrame, type Frame, Opcode, readClose } from './frames.js';

/** What the peer says before it ends. */
export const texts = ['one', 'two', 'three', 'four', 'five'];

/** A way for a peer to end, and how it is answered. */
export interface Ending {
  readonly name: string;
  /** Behind its messages, in one piece with them; `role` is the peer's. */
  bytes(role: 'client' | 'server'): Buffer;
  readonly fin: boolean;
  /** The code of our close frame; undefined: FIN alone. */
  readonly answer: number | undefined;
  /** What our `close` is told. */
  readonly told: number;
}

type Role = Parameters<Ending['bytes']>[0];

const maskOf = (role: Role): { mask?: false } => (role === 'server' ? { mask: false } : {});
const said = (role: Role) =>
  Buffer.concat(texts.map((payload) => encodeFrame({ opcode: Opcode.TEXT, payload, ...maskOf(role) })));
const closing = (role: Role) =>
  Buffer.concat([
    said(role),
    encodeFrame({ opcode: Opcode.CLOSE, payload: closeBody(4000, 'bye'), ...maskOf(role) }),
  ]);
const failing = (role: Role) =>
  Buffer.concat([said(role), encodeFrame({ opcode: Opcode.TEXT, rsv: 7, ...maskOf(role) })]);

export const endings: readonly Ending[] = [
  { name: 'a close frame', bytes: closing, fin: false, answer: 4000, told: 4000 },
  { name: 'a close frame and FIN', bytes: closing, fin: true, answer: 4000, told: 4000 },
  { name: 'a violation', bytes: failing, fin: false, answer: 1002, told: 1006 },
  { name: 'a violation and FIN', bytes: failing, fin: true, answer: 1002, told: 1006 },
  { name: 'FIN', bytes: said, fin: true, answer: undefined, told: 1006 },
];

/** Every message came back, then our close frame, if any, and nothing more. */
export function expectAnswers(frames: readonly Frame[], { answer }: Ending): void {
  const answers = frames.filter((frame) => frame.opcode === Opcode.TEXT);
  expect(answers.map((frame) => frame.payload.toString())).toEqual(texts);
  expect(frames.slice(texts.length).map((frame) => readClose(frame).code)).toEqual(
    answer === undefined ? [] : [answer],
  );
}
