import { closeBody, Opcode } from '../../helpers/frames.js';
import type { Case } from './case.js';

const { CLOSE, PING, PONG } = Opcode;
const controls = [
  ['close', CLOSE],
  ['ping', PING],
  ['pong', PONG],
] as const;
const protocolError = { failsWith: 1002 } as const;

const shape: Case[] = controls.flatMap(([name, opcode]): Case[] => [
  {
    section: '5.5',
    rule: `a ${name} frame without FIN fails the connection`,
    input: (peer) => [peer.frame({ opcode, fin: false, payload: closeBody(1000) })],
    end: protocolError,
  },
  {
    section: '5.5',
    rule: `a ${name} frame of 126 bytes fails the connection`,
    input: (peer) => [peer.frame({ opcode, payload: Buffer.alloc(126, 0x61) })],
    end: protocolError,
  },
  {
    section: '5.5',
    rule: `a ${name} frame of 65536 bytes fails the connection on its first two bytes`,
    input: (peer) => [peer.frame({ opcode, length: 65536 }).subarray(0, 2)],
    end: protocolError,
    partial: true,
  },
  {
    section: '5.5',
    rule: `a ${name} frame of 2 bytes in the 16-bit form fails the connection`,
    input: (peer) => [peer.frame({ opcode, payload: closeBody(1000), lengthForm: 16 })],
    end: protocolError,
  },
  {
    section: '5.5',
    rule: `a ${name} frame of 2 bytes in the 64-bit form fails the connection`,
    input: (peer) => [peer.frame({ opcode, payload: closeBody(1000), lengthForm: 64 })],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: `a ${name} frame without FIN inside a fragmented message fails the connection`,
    input: (peer) => [
      peer.text('begun', { fin: false }),
      peer.frame({ opcode, fin: false }),
      peer.more('ended'),
    ],
    end: protocolError,
  },
]);

const sizes = Array.from({ length: 126 }, (_, size) => 'p'.repeat(size));

const pings: Case[] = [
  {
    section: '5.5.2',
    rule: 'pings of every size from 0 to 125 bytes are answered with the same payload, in order',
    input: (peer) => sizes.map((payload) => peer.ping(payload)),
    pongs: sizes,
  },
  {
    section: '5.5.3',
    rule: 'each of a thousand pings is answered, in order',
    input: (peer) => Array.from({ length: 1000 }, (_, i) => peer.ping(`${i}`)),
    pongs: Array.from({ length: 1000 }, (_, i) => `${i}`),
  },
  {
    section: '5.5.2',
    rule: 'a ping may hold bytes that are no UTF-8',
    input: (peer) => [peer.ping(Buffer.of(0xff, 0x00, 0xfe)), peer.text('fine')],
    messages: ['fine'],
    pongs: [Buffer.of(0xff, 0x00, 0xfe).toString()],
  },
];

const pongs: Case[] = [
  {
    section: '5.5.3',
    rule: 'an unsolicited pong is not answered; the application hears of it',
    input: (peer) => [peer.pong(), peer.pong('unasked'), peer.text('after')],
    messages: ['after'],
    heard: ['', 'unasked'],
  },
  {
    section: '5.5.3',
    rule: 'pongs of every size from 0 to 125 bytes are told',
    input: (peer) => sizes.map((payload) => peer.pong(payload)),
    heard: sizes,
  },
];

export const control: Case[] = [...shape, ...pings, ...pongs];
