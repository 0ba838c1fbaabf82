import { describe, expect, it } from 'vitest';
import { createServer, LwsError, protocol, type ServerOptions } from '../../lib/index.js';

/** What createServer says to options that TypeScript would not let through. */
function refusal(options: unknown): { code: string; message: string } {
  try {
    createServer(options as ServerOptions);
  } catch (error) {
    if (error instanceof LwsError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('Expected createServer to throw');
}

const invalid = (message: string) => ({ code: 'ERR_INVALID_OPTION', message });

const DAY = 86_400_000;
const integers: [name: string, from: number, to: number][] = [
  ['port', 0, 65535],
  ['backlog', 1, 65535],
  ['memory', 0, 16_777_216],
  ['maxPayload', 0, 2_147_483_647],
  ['maxBackpressure', 1, Number.MAX_SAFE_INTEGER],
  ['pingInterval', 0, DAY],
  ['idleTimeout', 0, DAY],
  ['handshakeTimeout', 1, DAY],
  ['closeTimeout', 1, DAY],
  ['keepAliveTimeout', 1, DAY],
  ['maxHeaderSize', 256, 1_048_576],
  ['maxConnections', 1, 2_147_483_647],
  ['maxConnectionsPerAddress', 1, 2_147_483_647],
];

describe.each(integers)('the option %s', (name, from, to) => {
  it.each([from, to])(`takes an integer from ${from} to ${to}: %d`, (value) => {
    expect(() => createServer({ [name]: value })).not.toThrow();
  });

  it.each([
    [from - 1, `the number ${from - 1}`],
    [to + 1, `the number ${to + 1}`],
    [from + 0.5, `the number ${from + 0.5}`],
    [Number.NaN, 'the number NaN'],
    [Number.POSITIVE_INFINITY, 'the number Infinity'],
    [String(from), `the string "${from}"`],
    [BigInt(from), `the bigint ${from}`],
    [null, 'null'],
    [true, 'the boolean true'],
    [[from], 'an object of Array'],
  ])('refuses %s', (value, came) => {
    expect(refusal({ [name]: value })).toEqual(
      invalid(`Expected an integer from ${from} to ${to} for the option "${name}" but got ${came}`),
    );
  });
});

const wrongTypes: [name: string, value: unknown, message: string][] = [
  ...[-0.1, 1000.5, Number.NaN].map((value): [string, unknown, string] => [
    'busyPoll',
    value,
    `Expected a number from 0 to 1000 for the option "busyPoll" but got the number ${value}`,
  ]),
  ['busyPoll', '1', 'Expected a number from 0 to 1000 for the option "busyPoll" but got the string "1"'],
  ...['reusePort', 'ipv6Only', 'strictLifetime'].flatMap((name): [string, unknown, string][] => [
    [name, 1, `Expected a boolean for the option "${name}" but got the number 1`],
    [name, 'true', `Expected a boolean for the option "${name}" but got the string "true"`],
  ]),
  ...['upgrade', 'open', 'message', 'fragment', 'writable', 'pong', 'close', 'error', 'request'].map(
    (name): [string, unknown, string] => [
      name,
      {},
      `Expected a function for the option "${name}" but got an object of Object`,
    ],
  ),
  ['host', '', 'Expected a non-empty string without NUL for the option "host" but got the string ""'],
  ['host', 127, 'Expected a non-empty string without NUL for the option "host" but got the number 127'],
  [
    'socketPath',
    'a\0b',
    'Expected a non-empty string without NUL for the option "socketPath" but got the string "a\\u0000b"',
  ],
  [
    'origins',
    'https://a.example',
    'Expected an array of origins for the option "origins" but got the string "https://a.example"',
  ],
  [
    'origins',
    ['https://ok.example', 7],
    "Expected an origin like 'https://a.example' or 'null' (none at all lets every origin connect) for the option \"origins[1]\" but got the number 7",
  ],
  [
    'onBackpressure',
    'wait',
    `Expected 'close' or 'drop' for the option "onBackpressure" but got the string "wait"`,
  ],
  [
    'binaryType',
    'blob',
    `Expected 'buffer' or 'transient' for the option "binaryType" but got the string "blob"`,
  ],
  ['files', './public', 'Expected an object for the option "files" but got the string "./public"'],
  ['protocols', ['chat'], 'Expected an object for the option "protocols" but got an object of Array'],
  ['protocols', { chat: 'x' }, 'Expected an object for the option "protocols.chat" but got the string "x"'],
  ['protocols', { chat: null }, 'Expected an object for the option "protocols.chat" but got null'],
  [
    'protocols',
    { 'a b': {} },
    'Expected token names (RFC 9110 5.6.2) for the option "protocols" but got the string "a b"',
  ],
  [
    'protocols',
    { '': {} },
    'Expected token names (RFC 9110 5.6.2) for the option "protocols" but got the string ""',
  ],
  [
    'protocols',
    { chat: { memory: -1 } },
    'Expected an integer from 0 to 16777216 for the option "protocols.chat.memory" but got the number -1',
  ],
  [
    'protocols',
    { chat: { message: 5 } },
    'Expected a function for the option "protocols.chat.message" but got the number 5',
  ],
];

describe('options of the wrong type', () => {
  it.each(wrongTypes)('%s: %j', (name, value, message) => {
    expect(refusal({ [name]: value })).toEqual(invalid(message));
  });

  it.each([
    [null, 'null'],
    [8080, 'the number 8080'],
    ['8080', 'the string "8080"'],
    [[], 'an object of Array'],
    [() => {}, 'a function'],
  ])('instead of all options: %s', (options, came) => {
    expect(refusal(options)).toEqual(invalid(`Expected an object of options but got ${came}`));
  });

  it('show long values only in part', () => {
    expect(refusal({ binaryType: 'x'.repeat(10_000) }).message.length).toBeLessThan(200);
  });
});

describe('unknown options', () => {
  it.each([
    ['Port', 'Unknown option "Port"; did you mean "port"?'],
    ['maxPayLoad', 'Unknown option "maxPayLoad"; did you mean "maxPayload"?'],
    ['maxPaylod', 'Unknown option "maxPaylod"; did you mean "maxPayload"?'],
    ['idletimeout', 'Unknown option "idletimeout"; did you mean "idleTimeout"?'],
    ['onmessage', 'Unknown option "onmessage"; did you mean "message"?'],
    ['onBackPressure', 'Unknown option "onBackPressure"; did you mean "onBackpressure"?'],
    ['verifyClientCallback', 'Unknown option "verifyClientCallback"'],
    ['__proto__x', 'Unknown option "__proto__x"'],
    ['toString', 'Unknown option "toString"'],
    ['hasOwnProperty', 'Unknown option "hasOwnProperty"'],
  ])('%s is named', (name, message) => {
    expect(refusal({ [name]: undefined })).toEqual(invalid(message));
  });

  it.each([
    ['path', /: a unix socket is "socketPath"; attach\(server, \{ path \}\) takes the upgrades of one path/],
    ['server', /attach\(server\)/],
    ['noServer', /adopt\(socket, request, head\)/],
    ['verifyClient', /upgrade\(request\)/],
    ['handleProtocols', /"protocols"/],
    ['clientTracking', /server\.connections/],
    ['unix', /"socketPath"/],
    ['hostname', /"host"/],
    ['maxPayloadLength', /"maxPayload"/],
    ['compression', /"perMessageDeflate"/],
    ['sendPingsAutomatically', /"pingInterval"/],
    ['drain', /"writable"/],
    ['key', /"tls\.key"/],
  ])('%s, an option of other packages, leads to ours', (name, message) => {
    const { code, message: told } = refusal({ [name]: undefined });
    expect(code).toBe('ERR_INVALID_OPTION');
    expect(told).toMatch(`Unknown option "${name}"`);
    expect(told).toMatch(message);
  });

  it('are named inside protocols too', () => {
    expect(refusal({ protocols: { chat: { massage() {} } } })).toEqual(
      invalid('Unknown option "protocols.chat.massage"; did you mean "message"?'),
    );
    expect(refusal({ protocols: { chat: { port: 1 } } })).toEqual(
      invalid('Unknown option "protocols.chat.port"; did you mean "pong"?'),
    );
  });
});

describe('options that exclude each other', () => {
  it.each([
    [
      { socketPath: '/tmp/x.sock', port: 1 },
      'Expected either "socketPath" or "port" and "host" but got both',
    ],
    [
      { socketPath: '/tmp/x.sock', host: '::' },
      'Expected either "socketPath" or "port" and "host" but got both',
    ],
    [{ message() {}, fragment() {} }, 'Expected one of "message" and "fragment" but got both'],
    [
      { protocols: { chat: { message() {}, fragment() {} } } },
      'Expected one of "message" and "fragment" in "protocols.chat" but got both',
    ],
  ])('%o', (options, message) => {
    expect(refusal(options)).toEqual(invalid(message));
  });
});

it('undefined stands for the default of any option', () => {
  const names = [
    ...integers.map(([name]) => name),
    ...new Set(wrongTypes.map(([name]) => name)),
    'tls',
    'perMessageDeflate',
  ];
  expect(() => createServer(Object.fromEntries(names.map((name) => [name, undefined])))).not.toThrow();
});

it('all options may be left out', () => {
  expect(() => createServer()).not.toThrow();
  expect(() => createServer({})).not.toThrow();
});

it('options made of a null prototype are options', () => {
  expect(() => createServer(Object.assign(Object.create(null), { port: 0 }))).not.toThrow();
});

it('protocol() returns what it was given', () => {
  const chat = { message() {} };
  expect(protocol(chat)).toBe(chat);
});
