import type { Case } from './case.js';

const protocolError = { failsWith: 1002 } as const;

const assembled: Case[] = [
  {
    section: '5.4',
    rule: 'a text message in two fragments is one message',
    input: (peer) => [peer.text('Hel', { fin: false }), peer.more('lo')],
    messages: ['Hello'],
  },
  {
    section: '5.4',
    rule: 'a binary message in two fragments is one message, whatever its bytes',
    input: (peer) => [peer.binary(Buffer.of(0xff, 0xc0), { fin: false }), peer.more(Buffer.of(0x80))],
    messages: [Buffer.of(0xff, 0xc0, 0x80)],
  },
  {
    section: '5.4',
    rule: 'a message may come in a thousand fragments of one byte',
    input: (peer) => [
      peer.text('a', { fin: false }),
      ...Array.from({ length: 998 }, () => peer.more('b', { fin: false })),
      peer.more('c'),
    ],
    messages: [`a${'b'.repeat(998)}c`],
  },
  {
    section: '5.4',
    rule: 'fragments may be empty: the first, the middle, the last',
    input: (peer) => [
      peer.text('', { fin: false }),
      peer.more('ab', { fin: false }),
      peer.more('', { fin: false }),
      peer.more('cd', { fin: false }),
      peer.more(''),
    ],
    messages: ['abcd'],
  },
  {
    section: '5.4',
    rule: 'a message of nothing but empty fragments is an empty message',
    input: (peer) => [
      peer.text('', { fin: false }),
      peer.more('', { fin: false }),
      peer.more(''),
      peer.binary('', { fin: false }),
      peer.more(''),
    ],
    messages: ['', Buffer.alloc(0)],
  },
  {
    section: '5.4',
    rule: 'fragments may differ in size and in the form of their lengths',
    input: (peer) => [
      peer.binary(Buffer.alloc(65536, 1), { fin: false }),
      peer.more(Buffer.alloc(1, 2), { fin: false }),
      peer.more(Buffer.alloc(126, 3), { fin: false }),
      peer.more(Buffer.alloc(70000, 4)),
    ],
    messages: [
      Buffer.concat([
        Buffer.alloc(65536, 1),
        Buffer.alloc(1, 2),
        Buffer.alloc(126, 3),
        Buffer.alloc(70000, 4),
      ]),
    ],
  },
  {
    section: '5.4',
    rule: 'fragmented and whole messages follow each other',
    input: (peer) => [
      peer.text('one ', { fin: false }),
      peer.more('message'),
      peer.binary('two'),
      peer.binary('three ', { fin: false }),
      peer.more('parts ', { fin: false }),
      peer.more('here'),
      peer.text('four'),
    ],
    messages: ['one message', Buffer.from('two'), Buffer.from('three parts here'), 'four'],
  },
];

const interleaved: Case[] = [
  {
    section: '5.4',
    rule: 'control frames may stand between the fragments of a message, and are answered at once',
    input: (peer) => [
      peer.text('a', { fin: false }),
      peer.ping('first'),
      peer.more('b', { fin: false }),
      peer.pong('nobody asked'),
      peer.ping('second'),
      peer.more('c'),
    ],
    messages: ['abc'],
    pongs: ['first', 'second'],
    heard: ['nobody asked'],
  },
  {
    section: '5.4',
    rule: 'a ping in a fragmented message is answered before the message is complete',
    input: (peer) => [peer.text('never ended', { fin: false }), peer.ping('now'), peer.close(1000)],
    pongs: ['now'],
    end: { closesWith: 1000, reason: '' },
  },
  {
    section: '5.4',
    rule: 'a control frame may stand inside a UTF-8 sequence that two fragments share',
    input: (peer) => [
      peer.text(Buffer.of(0xe2, 0x82), { fin: false }),
      peer.ping(Buffer.of(0x41, 0x42)),
      peer.more(Buffer.of(0xac)),
    ],
    messages: ['€'],
    pongs: ['AB'],
  },
];

const misplaced: Case[] = [
  {
    section: '5.4',
    rule: 'a final continuation frame without a message fails the connection',
    input: (peer) => [peer.more('of nothing')],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'a first continuation frame without a message fails the connection',
    input: (peer) => [peer.more('of nothing', { fin: false })],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'an empty continuation frame without a message fails the connection',
    input: (peer) => [peer.more('')],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'a continuation frame after the final one fails the connection',
    input: (peer) => [peer.text('a', { fin: false }), peer.more('b'), peer.more('c')],
    messages: ['ab'],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'a continuation frame after a whole message fails the connection',
    input: (peer) => [peer.text('whole'), peer.more('more', { fin: false })],
    messages: ['whole'],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'a text frame inside a fragmented text message fails the connection',
    input: (peer) => [peer.text('begun', { fin: false }), peer.text('another')],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'a binary frame inside a fragmented text message fails the connection',
    input: (peer) => [peer.text('begun', { fin: false }), peer.binary('another', { fin: false })],
    end: protocolError,
  },
  {
    section: '5.4',
    rule: 'a text frame inside a fragmented binary message fails the connection, after fragments and pings too',
    input: (peer) => [
      peer.binary('begun', { fin: false }),
      peer.ping('still fine'),
      peer.more('more', { fin: false }),
      peer.text(''),
    ],
    pongs: ['still fine'],
    end: protocolError,
  },
];

export const fragmentation: Case[] = [...assembled, ...interleaved, ...misplaced];
