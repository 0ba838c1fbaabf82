import { describe, expect, it } from 'vitest';
import { connect, type DeflateOptions } from '../../lib/index.js';
import { rawServer, rejection } from '../client/helpers/raw-server.js';
import { Opcode } from '../helpers/frames.js';
import { recorder, startServer } from '../helpers/server.js';

const NO_SERVER = 'server_no_context_takeover';
const NO_CLIENT = 'client_no_context_takeover';
const plain = `permessage-deflate; ${NO_SERVER}; ${NO_CLIENT}`;

/** What a server of `options` answers to an offer; undefined: no extension. */
const answers: [what: string, options: DeflateOptions, offer: string, answer: string | undefined][] = [
  ['a bare offer', {}, 'permessage-deflate', plain],
  ['an offer as browsers make it', {}, 'permessage-deflate; client_max_window_bits', plain],
  [
    'a server that keeps its context',
    { contextTakeover: true },
    'permessage-deflate',
    `permessage-deflate; ${NO_CLIENT}`,
  ],
  [
    'a server that lets the client keep its own',
    { peerContextTakeover: true },
    'permessage-deflate',
    `permessage-deflate; ${NO_SERVER}`,
  ],
  [
    'both contexts kept',
    { contextTakeover: true, peerContextTakeover: true },
    'permessage-deflate',
    'permessage-deflate',
  ],
  [
    'server_no_context_takeover, which a server must obey (7.1.1.1)',
    { contextTakeover: true, peerContextTakeover: true },
    `permessage-deflate; ${NO_SERVER}`,
    `permessage-deflate; ${NO_SERVER}`,
  ],
  [
    'client_no_context_takeover, which frees the server of memory (7.1.1.2)',
    { contextTakeover: true, peerContextTakeover: true },
    `permessage-deflate; ${NO_CLIENT}`,
    `permessage-deflate; ${NO_CLIENT}`,
  ],
  ...[9, 10, 11, 12, 13, 14, 15].flatMap((bits): typeof answers => [
    [
      `server_max_window_bits=${bits} (7.1.2.1)`,
      {},
      `permessage-deflate; server_max_window_bits=${bits}`,
      `${plain}; server_max_window_bits=${bits}`,
    ],
    [
      `client_max_window_bits=${bits} (7.1.2.2)`,
      {},
      `permessage-deflate; client_max_window_bits=${bits}`,
      bits === 15 ? plain : `${plain}; client_max_window_bits=${bits}`,
    ],
  ]),
  [
    'a client window of 8 bits',
    {},
    'permessage-deflate; client_max_window_bits=8',
    `${plain}; client_max_window_bits=8`,
  ],
  [
    'a server window of 8 bits, which zlib cannot make',
    {},
    'permessage-deflate; server_max_window_bits=8',
    undefined,
  ],
  [
    'the smaller of asked and own server windows',
    { windowBits: 10 },
    'permessage-deflate; server_max_window_bits=12',
    `${plain}; server_max_window_bits=10`,
  ],
  [
    'a smaller window of our own, unasked',
    { windowBits: 11 },
    'permessage-deflate',
    `${plain}; server_max_window_bits=11`,
  ],
  [
    'a smaller client window where the client lets us choose',
    { peerWindowBits: 9 },
    'permessage-deflate; client_max_window_bits',
    `${plain}; client_max_window_bits=9`,
  ],
  [
    'the smaller of offered and wanted client windows',
    { peerWindowBits: 12 },
    'permessage-deflate; client_max_window_bits=10',
    `${plain}; client_max_window_bits=10`,
  ],
  ['a client that cannot be told its window (7.1.2.2)', { peerWindowBits: 9 }, 'permessage-deflate', plain],
  [
    'values in quotes',
    {},
    'permessage-deflate; server_max_window_bits="10"',
    `${plain}; server_max_window_bits=10`,
  ],
  [
    'space wherever it may be',
    {},
    ' permessage-deflate ;\tserver_max_window_bits = 10 ',
    `${plain}; server_max_window_bits=10`,
  ],
  ['another extension', {}, 'x-webkit-deflate-frame', undefined],
  ['another extension before ours', {}, 'x-future; a=1, permessage-deflate', plain],
  ['empty elements in the list', {}, ', permessage-deflate,', plain],
  [
    'the first of two offers',
    {},
    `permessage-deflate; server_max_window_bits=10, permessage-deflate`,
    `${plain}; server_max_window_bits=10`,
  ],
  [
    'the second offer when the first asks for 8 bits',
    {},
    'permessage-deflate; server_max_window_bits=8, permessage-deflate',
    plain,
  ],
  ...[
    'unknown',
    'unknown=1',
    'server_max_window_bits',
    'server_max_window_bits=7',
    'server_max_window_bits=16',
    'server_max_window_bits=010',
    'server_max_window_bits=x',
    'client_max_window_bits=7',
    'client_max_window_bits=16',
    'client_max_window_bits=1e1',
    'server_no_context_takeover=1',
    'client_no_context_takeover=true',
    'server_no_context_takeover; server_no_context_takeover',
    'client_max_window_bits; client_max_window_bits=10',
  ].flatMap((bad): typeof answers => [
    [`no offer with ${bad} (7.1)`, {}, `permessage-deflate; ${bad}`, undefined],
    [`the offer behind one with ${bad} (5.1)`, {}, `permessage-deflate; ${bad}, permessage-deflate`, plain],
  ]),
];

describe('a server answers (RFC 7692 5.1)', () => {
  it.each(answers)('%s', async (_, options, offer, answer) => {
    const { connect: dial } = await startServer({ ...recorder().handlers, perMessageDeflate: options });
    const client = await dial();
    const response = await client.handshake({ headers: { 'Sec-WebSocket-Extensions': offer } });
    expect(response.header('sec-websocket-extensions')).toBe(answer);
  });

  it('reads offers in several fields as one list (RFC 6455 9.1)', async () => {
    const { connect: dial } = await startServer({ ...recorder().handlers, perMessageDeflate: true });
    const client = await dial();
    const fields = ['permessage-deflate; server_max_window_bits=8', 'permessage-deflate'];
    const response = await client.handshake({ headers: { 'Sec-WebSocket-Extensions': fields } });
    expect(response.header('sec-websocket-extensions')).toBe(plain);
  });

  it('nothing without perMessageDeflate', async () => {
    const { connect: dial } = await startServer({ ...recorder().handlers });
    const response = await (await dial()).handshake({
      headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
    });
    expect(response.header('sec-websocket-extensions')).toBeUndefined();
  });
});

const offers: [options: boolean | DeflateOptions, offer: string | undefined][] = [
  [false, undefined],
  [true, `${plain}; client_max_window_bits`],
  [{ contextTakeover: true }, `permessage-deflate; ${NO_SERVER}; client_max_window_bits`],
  [{ peerContextTakeover: true }, `permessage-deflate; ${NO_CLIENT}; client_max_window_bits`],
  [{ windowBits: 10 }, `${plain}; client_max_window_bits=10`],
  [{ peerWindowBits: 9 }, `${plain}; server_max_window_bits=9; client_max_window_bits`],
];

/** Answers to the offer of `options`, and what is wrong with them; undefined: nothing. */
const verdicts: [answer: string, options: boolean | DeflateOptions, wrong: RegExp | undefined][] = [
  [plain, true, undefined],
  [`permessage-deflate; ${NO_SERVER}`, true, undefined],
  [`${plain}; client_max_window_bits=10`, true, undefined],
  [`${plain}; server_max_window_bits=10`, true, undefined],
  ['permessage-deflate', { peerContextTakeover: true, contextTakeover: true }, undefined],
  [`${plain}; server_max_window_bits=9`, { peerWindowBits: 10 }, undefined],
  [plain, false, /not offered/],
  ['x-future', true, /not offered/],
  [`${plain}, x-future`, true, /not offered/],
  [`${plain}, ${plain}`, true, /not offered/],
  ['permessage-deflate', true, /ignored server_no_context_takeover/],
  [plain, { peerWindowBits: 10 }, /larger window/],
  [`${plain}; server_max_window_bits=11`, { peerWindowBits: 10 }, /larger window/],
  [`${plain}; client_max_window_bits=8`, true, undefined],
  [`${plain}; client_max_window_bits`, true, /not valid/],
  [`${plain}; server_max_window_bits=16`, true, /not valid/],
  [`${plain}; server_max_window_bits`, true, /not valid/],
  [`${plain}; ${NO_CLIENT}`, true, /not valid/],
  [`${plain}; unknown`, true, /not valid/],
  ...['permessage-deflate; =', 'permessage-deflate;', 'a b', 'a; b=""', 'a; b="c d"', 'a; b="c'].map(
    (answer): (typeof verdicts)[number] => [answer, true, /malformed/],
  ),
  [`${plain}; server_max_window_bits="1\\0"`, true, undefined],
  ['', true, /not offered/],
];

describe('a client', () => {
  it.each(offers)('with perMessageDeflate %o offers %s', async (perMessageDeflate, offer) => {
    const { url, asked } = await rawServer((one) => one.accept());
    const connection = await connect(url, { perMessageDeflate });
    expect((await asked.next()).header('sec-websocket-extensions')).toBe(offer);
    connection.terminate();
  });

  it.each(verdicts)(
    'checks the answer "%s" to %o (RFC 7692 5.1, RFC 6455 9.1)',
    async (answer, perMessageDeflate, wrong) => {
      const { url } = await rawServer((one) => one.accept({ 'Sec-WebSocket-Extensions': answer }));
      if (wrong === undefined) {
        const connection = await connect(url, { perMessageDeflate });
        expect(connection.isOpen).toBe(true);
        connection.terminate();
        return;
      }
      const error = await rejection(connect(url, { perMessageDeflate }));
      expect(error).toMatchObject({ code: 'ERR_HANDSHAKE', message: expect.stringMatching(wrong) });
    },
  );

  it('sends uncompressed into a window of 8 bits, which zlib cannot make, and reads what is compressed', async () => {
    const { url, asked } = await rawServer((one) =>
      one.accept({ 'Sec-WebSocket-Extensions': `${plain}; client_max_window_bits=8` }),
    );
    const record = recorder();
    const connection = await connect(url, { ...record.handlers, perMessageDeflate: { threshold: 0 } });
    const { peer } = await asked.next();
    for (const size of [0, 10, 10_000]) {
      connection.send('a'.repeat(size));
      expect(await peer.frame()).toMatchObject({ rsv: 0, payload: Buffer.alloc(size, 'a') });
    }
    const hello = Buffer.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00);
    peer.send({ opcode: Opcode.TEXT, rsv: 4, mask: false, payload: hello });
    expect(await record.messages.next()).toBe('Hello');
    connection.terminate();
  });

  it('goes on without compression when the server does not answer the offer', async () => {
    const { url, asked } = await rawServer((one) => one.accept());
    const connection = await connect(url, { perMessageDeflate: { threshold: 0 } });
    connection.send('a'.repeat(2000));
    expect(await (await asked.next()).peer.frame()).toMatchObject({ rsv: 0, masked: true });
    connection.terminate();
  });
});
