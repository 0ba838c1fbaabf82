import type { Case } from './case.js';

const protocolError = { failsWith: 1002 } as const;

const bodies: Case[] = [
  {
    section: '5.5.1',
    rule: 'a close frame without body is answered without body and told as 1005',
    input: (peer) => [peer.text('before'), peer.close()],
    messages: ['before'],
    end: { closesWith: 1005, reason: '' },
  },
  {
    section: '5.5.1',
    rule: 'a close frame with a body of one byte fails the connection',
    input: (peer) => [peer.frame({ opcode: 8, payload: '\x03' })],
    end: protocolError,
  },
  {
    section: '5.5.1',
    rule: 'a reason is told to the application',
    input: (peer) => [peer.close(1000, 'bye')],
    end: { closesWith: 1000, reason: 'bye' },
  },
  {
    section: '5.5.1',
    rule: 'a reason may be 123 bytes of UTF-8',
    input: (peer) => [peer.close(1000, '€'.repeat(41))],
    end: { closesWith: 1000, reason: '€'.repeat(41) },
  },
  {
    section: '5.5.1',
    rule: 'a reason that is no UTF-8 fails the connection with 1007',
    input: (peer) => [peer.close(1000, Buffer.of(0x61, 0xff))],
    end: { failsWith: 1007 },
  },
  {
    section: '5.5.1',
    rule: 'a reason that ends inside a UTF-8 sequence fails the connection with 1007',
    input: (peer) => [peer.close(1000, Buffer.from('a€').subarray(0, 3))],
    end: { failsWith: 1007 },
  },
  {
    section: '5.5.1',
    rule: 'nothing after a close frame is looked at, not even garbage',
    input: (peer) => [
      peer.text('last'),
      peer.close(1000),
      peer.ping('no'),
      peer.text('no'),
      Buffer.alloc(100, 0xff),
    ],
    messages: ['last'],
    end: { closesWith: 1000, reason: '' },
  },
  {
    section: '5.5.1',
    rule: 'the first of two close frames counts',
    input: (peer) => [peer.close(3001, 'first'), peer.close(3002, 'second')],
    end: { closesWith: 3001, reason: 'first' },
  },
  {
    section: '5.5.1',
    rule: 'a close frame may stand inside a fragmented message, which is lost',
    input: (peer) => [peer.text('begun', { fin: false }), peer.close(1001), peer.more('ended')],
    end: { closesWith: 1001, reason: '' },
  },
];

/** RFC 6455 7.4.1, 7.4.2 and the IANA registry (1012–1014). */
const allowed = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
const forbidden = [
  0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 9999, 32768, 65535,
];

const codes: Case[] = [
  ...allowed.map(
    (code): Case => ({
      section: '7.4',
      rule: `close code ${code} is answered with itself and told`,
      input: (peer) => [peer.close(code, `code ${code}`)],
      end: { closesWith: code, reason: `code ${code}` },
    }),
  ),
  ...forbidden.map(
    (code): Case => ({
      section: '7.4',
      rule: `close code ${code} may not be sent and fails the connection`,
      input: (peer) => [peer.close(code)],
      end: protocolError,
    }),
  ),
];

export const closing: Case[] = [...bodies, ...codes];
