import { closeBody, Opcode } from '../../helpers/frames.js';
import type { Case } from './case.js';

const { CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG } = Opcode;
const names: Record<number, string> = {
  [CONTINUATION]: 'continuation',
  [TEXT]: 'text',
  [BINARY]: 'binary',
  [CLOSE]: 'close',
  [PING]: 'ping',
  [PONG]: 'pong',
};
const opcodes = Object.keys(names).map(Number);
const protocolError = { failsWith: 1002 } as const;

const masking: Case[] = [
  ...opcodes.map(
    (opcode): Case => ({
      section: '5.1',
      rule: `a ${names[opcode]} frame with the wrong masking fails the connection`,
      input: (peer) => [peer.wronglyMasked({ opcode, payload: opcode === CLOSE ? closeBody(1000) : 'abcd' })],
      end: protocolError,
    }),
  ),
  {
    section: '5.1',
    rule: 'an empty frame with the wrong masking fails the connection',
    input: (peer) => [peer.wronglyMasked({ opcode: TEXT })],
    end: protocolError,
  },
  {
    section: '5.1',
    rule: 'the wrong masking is found on the first two bytes',
    input: (peer) => [peer.wronglyMasked({ opcode: BINARY, payload: Buffer.alloc(300) }).subarray(0, 2)],
    end: protocolError,
    partial: true,
  },
  {
    section: '5.3',
    rule: 'each frame has a key of its own, all zeros and all ones among them',
    input: (peer) => [0, 1, 2, 3].map((i) => peer.text(`message ${i} of some length`)),
    messages: [0, 1, 2, 3].map((i) => `message ${i} of some length`),
  },
];

const reservedBits: Case[] = opcodes.flatMap((opcode) =>
  [1, 2, 4, 7].map(
    (rsv): Case => ({
      section: '5.2',
      rule: `reserved bits ${rsv.toString(2).padStart(3, '0')} on a ${names[opcode]} frame fail the connection`,
      input: (peer) => [
        ...(opcode === CONTINUATION ? [peer.text('begun ', { fin: false })] : []),
        peer.frame({ opcode, rsv, payload: 'ab' }),
      ],
      end: protocolError,
      plainOnly: rsv === 4 && (opcode === TEXT || opcode === BINARY),
    }),
  ),
);

const reservedOpcodes: Case[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode): Case[] => [
  {
    section: '5.2',
    rule: `the reserved opcode ${opcode} fails the connection`,
    input: (peer) => [peer.text('before'), peer.frame({ opcode, payload: 'x' })],
    messages: ['before'],
    end: protocolError,
  },
  {
    section: '5.2',
    rule: `the reserved opcode ${opcode} fails the connection without payload and without FIN too`,
    input: (peer) => [peer.frame({ opcode, fin: false })],
    end: protocolError,
  },
  {
    section: '5.2',
    rule: `the reserved opcode ${opcode} fails the connection inside a fragmented message`,
    input: (peer) => [peer.text('begun', { fin: false }), peer.frame({ opcode }), peer.more('ended')],
    end: protocolError,
  },
]);

const longForms: [form: 16 | 64, length: number][] = [
  [16, 0],
  [16, 1],
  [16, 125],
  [64, 0],
  [64, 1],
  [64, 125],
  [64, 126],
  [64, 65535],
];

const lengths: Case[] = [
  ...longForms.flatMap(([lengthForm, length]): Case[] => [
    {
      section: '5.2',
      rule: `${length} bytes announced in ${lengthForm} bits fail the connection: the minimal form is demanded`,
      input: (peer) => [peer.binary(Buffer.alloc(length), { lengthForm })],
      end: protocolError,
    },
    {
      section: '5.2',
      rule: `the same of a text message announced as ${length} bytes in ${lengthForm} bits, on the header alone`,
      input: (peer) => [peer.text('', { lengthForm, length })],
      end: protocolError,
      partial: true,
    },
  ]),
  ...[126, 65535].map(
    (length): Case => ({
      section: '5.2',
      rule: `${length} bytes announced in 16 bits are minimal`,
      input: (peer) => [peer.binary(Buffer.alloc(length, 7), { lengthForm: 16 })],
      messages: [Buffer.alloc(length, 7)],
    }),
  ),
  {
    section: '5.2',
    rule: '65536 bytes announced in 64 bits are minimal',
    input: (peer) => [peer.binary(Buffer.alloc(65536, 7), { lengthForm: 64 })],
    messages: [Buffer.alloc(65536, 7)],
  },
  ...[1n << 63n, (1n << 63n) + 5n, (1n << 64n) - 1n].map(
    (length): Case => ({
      section: '5.2',
      rule: `a 64-bit length with its most significant bit fails the connection: 0x${length.toString(16)}`,
      input: (peer) => [peer.binary('', { lengthForm: 64, length })],
      end: protocolError,
      partial: true,
    }),
  ),
];

const dataFrames: Case[] = [
  {
    section: '5.6',
    rule: 'a text frame is a string, a binary frame is bytes',
    input: (peer) => [peer.text('Hällo'), peer.binary('Hällo')],
    messages: ['Hällo', Buffer.from('Hällo')],
  },
  {
    section: '5.6',
    rule: 'empty messages are messages',
    input: (peer) => [peer.text(''), peer.binary(''), peer.text('')],
    messages: ['', Buffer.alloc(0), ''],
  },
  {
    section: '5.6',
    rule: 'binary messages hold any byte',
    input: (peer) => [peer.binary(Uint8Array.from({ length: 256 }, (_, i) => i))],
    messages: [Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i))],
  },
];

const payloadLimit: Case[] = [
  {
    section: '7.4.1',
    rule: 'a message of exactly maxPayload is taken',
    input: (peer) => [peer.binary(Buffer.alloc(1000, 1)), peer.text('x'.repeat(1000))],
    messages: [Buffer.alloc(1000, 1), 'x'.repeat(1000)],
    limits: { maxPayload: 1000 },
  },
  ...[1001, 65535, 65536, 2 ** 32, 2 ** 53].map(
    (length): Case => ({
      section: '7.4.1',
      rule: `a frame of ${length} bytes over maxPayload gets 1009 on its header alone`,
      input: (peer) => [peer.text('before'), peer.binary('', { length })],
      messages: ['before'],
      end: { failsWith: 1009 },
      partial: true,
      limits: { maxPayload: 1000 },
    }),
  ),
  {
    section: '7.4.1',
    rule: 'fragments that make exactly maxPayload together are taken',
    input: (peer) => [
      peer.text('x'.repeat(600), { fin: false }),
      peer.more('', { fin: false }),
      peer.more('x'.repeat(400)),
    ],
    messages: ['x'.repeat(1000)],
    limits: { maxPayload: 1000 },
  },
  {
    section: '7.4.1',
    rule: 'fragments that pass maxPayload together get 1009 on the header of the one that does',
    input: (peer) => [
      peer.text('x'.repeat(600), { fin: false }),
      peer.more('x'.repeat(400), { fin: false }),
      peer.more('', { fin: false, length: 1 }),
    ],
    end: { failsWith: 1009 },
    partial: true,
    limits: { maxPayload: 1000 },
  },
  {
    section: '7.4.1',
    rule: 'each message has a limit of its own, and control frames do not count',
    input: (peer) => [
      peer.text('12345', { fin: false }),
      peer.ping('p'.repeat(125)),
      peer.more('67890'),
      peer.text('next one'),
    ],
    messages: ['1234567890', 'next one'],
    pongs: ['p'.repeat(125)],
    limits: { maxPayload: 10 },
  },
  {
    section: '7.4.1',
    rule: 'under maxPayload 0 only empty messages pass',
    input: (peer) => [peer.text(''), peer.binary('', { fin: false }), peer.more(''), peer.text('x')],
    messages: ['', Buffer.alloc(0)],
    end: { failsWith: 1009 },
    limits: { maxPayload: 0 },
  },
];

export const framing: Case[] = [
  ...masking,
  ...reservedBits,
  ...reservedOpcodes,
  ...lengths,
  ...dataFrames,
  ...payloadLimit,
];
