import type { Case } from './case.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const invalid = { failsWith: 1007 } as const;

/** Both sides of each boundary of RFC 3629 3 and 4. */
const codePoints = [
  0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfdd0, 0xfeff, 0xfffd,
  0xfffe, 0xffff, 0x10000, 0x1fffe, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10fffe, 0x10ffff,
];

/** Wrong as soon as the last byte here was seen. */
const wrong: [what: string, bytes: string][] = [
  ['a lone continuation byte, the first', '80'],
  ['a lone continuation byte, the last', 'bf'],
  ['a continuation byte after a whole sequence', 'c3 a4 80'],
  ['a start of U+0000–U+003F in two bytes', 'c0'],
  ['a start of U+0040–U+007F in two bytes', 'c1'],
  ['U+0000 in three bytes', 'e0 80'],
  ['U+07FF in three bytes', 'e0 9f'],
  ['U+0000 in four bytes', 'f0 80'],
  ['U+FFFF in four bytes', 'f0 8f'],
  ['the first surrogate, U+D800', 'ed a0'],
  ['the last surrogate, U+DFFF', 'ed bf'],
  ['U+110000', 'f4 90'],
  ['U+13FFFF', 'f4 bf'],
  ['a start of U+140000', 'f5'],
  ['a start of four bytes beyond Unicode', 'f7'],
  ['a start of five bytes', 'f8'],
  ['a start of six bytes', 'fc'],
  ['the byte FE', 'fe'],
  ['the byte FF', 'ff'],
  ['a two-byte sequence cut by ASCII', 'c3 41'],
  ['a three-byte sequence cut by ASCII after one', 'e2 41'],
  ['a three-byte sequence cut by ASCII after two', 'e2 82 41'],
  ['a four-byte sequence cut by ASCII after one', 'f0 41'],
  ['a four-byte sequence cut by ASCII after two', 'f0 9f 41'],
  ['a four-byte sequence cut by ASCII after three', 'f0 9f 98 41'],
  ['a sequence cut by another start', 'e2 82 e2'],
  ['a start where the third byte belongs', 'f0 9f c3'],
];

/** Wrong only because the message ends. */
const unfinished = ['c3', 'e2', 'e2 82', 'f0', 'f0 9f', 'f0 9f 98', 'ed 9f', 'f4 8f bf'];

const valid: Case[] = codePoints.flatMap((code): Case[] => {
  const text = String.fromCodePoint(code);
  const bytes = Buffer.from(text);
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  const cuts = Array.from({ length: bytes.length + 1 }, (_, at) => at);
  return [
    {
      section: '8.1',
      rule: `${name} is valid alone, in long ASCII, and repeated`,
      input: (peer) => [
        peer.text(text),
        peer.text(`${'a'.repeat(67)}${text}${'b'.repeat(67)}`),
        peer.text(text.repeat(40)),
      ],
      messages: [text, `${'a'.repeat(67)}${text}${'b'.repeat(67)}`, text.repeat(40)],
    },
    {
      section: '8.1',
      rule: `${name} is valid across fragments, wherever it is cut`,
      input: (peer) =>
        cuts.flatMap((at) => [
          peer.text(Buffer.concat([Buffer.from('<'), bytes.subarray(0, at)]), { fin: false }),
          peer.more(Buffer.concat([bytes.subarray(at), Buffer.from('>')])),
        ]),
      messages: cuts.map(() => `<${text}>`),
    },
  ];
});

const invalidBytes: Case[] = wrong.flatMap(([what, text]): Case[] => {
  const bytes = hex(text);
  return [
    {
      section: '8.1',
      rule: `${what} fails the connection`,
      input: (peer) => [peer.text('fine'), peer.text(bytes)],
      messages: ['fine'],
      end: invalid,
    },
    {
      section: '8.1',
      rule: `${what} fails the connection behind long valid text`,
      input: (peer) => [peer.text(Buffer.concat([Buffer.from('ä'.repeat(50) + 'a'.repeat(67)), bytes]))],
      end: invalid,
    },
    {
      section: '8.1',
      rule: `${what} fails the connection at once, inside an unfinished frame`,
      input: (peer) => [peer.text(Buffer.concat([Buffer.from('κόσμε'), bytes]), { length: 4000 })],
      end: invalid,
      partial: true,
    },
    {
      section: '8.1',
      rule: `${what} fails the connection at once, in a fragment that is not the last`,
      input: (peer) => [peer.text('κόσμε', { fin: false }), peer.more(bytes, { fin: false })],
      end: invalid,
      partial: true,
    },
    ...(bytes.length > 1
      ? [
          {
            section: '8.1',
            rule: `${what} fails the connection when a fragment boundary cuts it`,
            input: (peer) => [
              peer.text(bytes.subarray(0, -1), { fin: false }),
              peer.ping('between'),
              peer.more(bytes.subarray(-1), { fin: false }),
            ],
            pongs: ['between'],
            end: invalid,
            partial: true,
          } satisfies Case,
        ]
      : []),
  ];
});

const cutShort: Case[] = unfinished.flatMap((text): Case[] => [
  {
    section: '8.1',
    rule: `a message that ends inside the sequence ${text} fails the connection`,
    input: (peer) => [peer.text(hex(text))],
    end: invalid,
  },
  {
    section: '8.1',
    rule: `a message that ends inside the sequence ${text} fails it behind long ASCII`,
    input: (peer) => [peer.text(Buffer.concat([Buffer.from('a'.repeat(67)), hex(text)]))],
    end: invalid,
  },
  {
    section: '8.1',
    rule: `a fragmented message that ends inside the sequence ${text} fails the connection, by an empty fragment too`,
    input: (peer) => [peer.text(hex(text), { fin: false }), peer.more('')],
    end: invalid,
  },
]);

const elsewhere: Case[] = [
  ...['c0 80', 'c0 af', 'e0 80 af', 'f0 80 80 af', 'ed a0 bd ed b8 80', 'fc 80 80 80 80 80'].map(
    (bytes): Case => ({
      section: '8.1',
      rule: `${bytes}, which lenient decoders take for a character, fails the connection`,
      input: (peer) => [peer.text(hex(bytes))],
      end: invalid,
    }),
  ),
  {
    section: '8.1',
    rule: 'binary messages are not judged',
    input: (peer) => wrong.map(([, bytes]) => peer.binary(hex(bytes))),
    messages: wrong.map(([, bytes]) => hex(bytes)),
  },
  {
    section: '8.1',
    rule: 'each message is judged anew: what one leaves open does not help the next',
    input: (peer) => [
      peer.binary(hex('e2 82'), { fin: false }),
      peer.more(hex('')),
      peer.text('fine'),
      peer.text(hex('ac')),
    ],
    messages: [hex('e2 82'), 'fine'],
    end: invalid,
  },
];

export const utf8: Case[] = [...valid, ...invalidBytes, ...cutShort, ...elsewhere];
