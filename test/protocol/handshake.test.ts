import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeFrame, Opcode } from '../helpers/frames.js';
import { handshakeText, type RequestFields, sampleAccept } from '../helpers/raw-client.js';
import { recorder, startServer, turnUntil } from '../helpers/server.js';

const lines = (...text: string[]) => `${text.join('\r\n')}\r\n\r\n`;
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';

/** Forms that RFC 6455 4.2.1, RFC 9110 and RFC 9112 allow. */
const accepted: [what: string, request: string][] = [
  ['the plain form', handshakeText()],
  ['"websocket" in any case', handshakeText({ headers: { Upgrade: 'WebSocket' } })],
  ['"websocket" among other protocols', handshakeText({ headers: { Upgrade: 'h2c, WEBSOCKET' } })],
  ['Upgrade in two fields', handshakeText({ headers: { Upgrade: ['h2c', 'websocket'] } })],
  ['"upgrade" in any case', handshakeText({ headers: { Connection: 'uPGRADE' } })],
  ['"upgrade" among other options', handshakeText({ headers: { Connection: 'keep-alive, Upgrade' } })],
  [
    'empty elements in lists',
    handshakeText({ headers: { Connection: ',, Upgrade ,', Upgrade: ' ,websocket,' } }),
  ],
  ['Connection in two fields', handshakeText({ headers: { Connection: ['keep-alive', 'Upgrade'] } })],
  [
    'names in any case, any space around values',
    lines(
      'GET / HTTP/1.1',
      'hOST:x',
      'UPGRADE:\twebsocket \t',
      'connection:Upgrade',
      key,
      'sec-websocket-version:   13',
    ),
  ],
  ['empty lines before the request line', `\r\n\r\n${handshakeText()}`],
  [
    'any order of the fields',
    lines(
      'GET / HTTP/1.1',
      'Sec-WebSocket-Version: 13',
      key,
      'Connection: upgrade',
      'Upgrade: websocket',
      'Host: h',
    ),
  ],
  ['a query', handshakeText({ target: '/chat?a=1&b=%20' })],
  ['an absolute target', handshakeText({ target: 'http://example.com/chat' })],
  ['a long target', handshakeText({ target: `/${'x'.repeat(8000)}` })],
  ['Host with a port', handshakeText({ headers: { Host: 'example.com:8080' } })],
  ['Host with an IPv6 address', handshakeText({ headers: { Host: '[::1]:8080' } })],
  ['an empty Host', handshakeText({ headers: { Host: '' } })],
  ['bytes above ASCII in a value', handshakeText({ headers: { 'X-Name': 'J\xfcrgen' } })],
  ['fields nobody knows', handshakeText({ headers: { 'Sec-WebSocket-Future': 'x', 'X-Y': '' } })],
  ['Content-Length: 0', handshakeText({ headers: { 'Content-Length': '0' } })],
  ['an Origin', handshakeText({ headers: { Origin: 'https://example.com' } })],
  ['the origin "null"', handshakeText({ headers: { Origin: 'null' } })],
  ...['x-future; a="b"; d', 'a, b;c=d, a', ',a,', 'permessage-deflate; nobody=knows'].map(
    (value): [string, string] => [
      `the extensions "${value}"`,
      handshakeText({ headers: { 'Sec-WebSocket-Extensions': value } }),
    ],
  ),
  [
    'a list of versions for one server alone',
    handshakeText({ headers: { 'Sec-WebSocket-Version': ' 13 ' } }),
  ],
];

const without = (name: string): RequestFields => ({ headers: { [name]: undefined } });
const having = (name: string, ...values: string[]): RequestFields => ({ headers: { [name]: values } });

/** What is refused, with the status and words of the body. */
const refused: [what: string, status: number, says: RegExp, request: string][] = [
  ['no Upgrade', 404, /Not Found/, handshakeText(without('Upgrade'))],
  ['an Upgrade to something else', 404, /Not Found/, handshakeText(having('Upgrade', 'h2c'))],
  ['POST', 405, /GET/, handshakeText({ method: 'POST' })],
  ['HEAD', 405, /GET/, handshakeText({ method: 'HEAD' })],
  ['PUT', 405, /GET/, handshakeText({ method: 'PUT' })],
  ['a method in lower case', 405, /GET/, handshakeText({ method: 'get' })],
  ['a method of its own', 405, /GET/, handshakeText({ method: 'GETT' })],
  ['HTTP/1.0', 400, /HTTP\/1\.1/, handshakeText({ version: 'HTTP/1.0' })],
  ['HTTP/1.2', 505, /HTTP/, handshakeText({ version: 'HTTP/1.2' })],
  ['HTTP/2.0', 505, /HTTP/, handshakeText({ version: 'HTTP/2.0' })],
  ['HTTP/0.9', 505, /HTTP/, handshakeText({ version: 'HTTP/0.9' })],
  ['a version in lower case', 400, /version/, handshakeText({ version: 'http/1.1' })],
  ['no version', 400, /request line/, lines('GET /', 'Host: x')],
  ['a target with a space', 400, /request line/i, handshakeText({ target: '/a b' })],
  ['a target with a byte above ASCII', 400, /target/, handshakeText({ target: '/\xfc' })],
  ['no Host', 400, /Host/, handshakeText(without('Host'))],
  ['two Hosts', 400, /Host/, handshakeText(having('Host', 'a', 'b'))],
  ['a Host with a space', 400, /Host/, handshakeText(having('Host', 'a b'))],
  ['no Connection', 400, /Connection/, handshakeText(without('Connection'))],
  ['a Connection without "upgrade"', 400, /Connection/, handshakeText(having('Connection', 'keep-alive'))],
  [
    'a Connection with more than "upgrade"',
    400,
    /Connection/,
    handshakeText(having('Connection', 'upgraded')),
  ],
  ['no version header', 426, /Version/, handshakeText(without('Sec-WebSocket-Version'))],
  ['an empty version', 426, /Version/, handshakeText(having('Sec-WebSocket-Version', ''))],
  ...['0', '8', '12', '14', '013', '13.0', '+13', '13, 8', 'x'].map(
    (version): [string, number, RegExp, string] => [
      `version "${version}"`,
      426,
      /Version/,
      handshakeText(having('Sec-WebSocket-Version', version)),
    ],
  ),
  ['two versions', 400, /Version/, handshakeText(having('Sec-WebSocket-Version', '13', '13'))],
  ['no key', 400, /Key/, handshakeText(without('Sec-WebSocket-Key'))],
  ['an empty key', 400, /Key/, handshakeText(having('Sec-WebSocket-Key', ''))],
  [
    'two keys',
    400,
    /Key/,
    handshakeText(having('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ==')),
  ],
  ...[
    ['of 15 bytes', randomBytes(15).toString('base64')],
    ['of 17 bytes', randomBytes(17).toString('base64')],
    ['of 18 bytes', randomBytes(18).toString('base64')],
    ['without padding', 'dGhlIHNhbXBsZSBub25jZQ'],
    ['with half its padding', 'dGhlIHNhbXBsZSBub25jZQ='],
    ['of the URL alphabet', 'dGhlIHNhbXBsZSBub25j-_=='],
    ['with a space inside', 'dGhlIHNhbXBs ZSBub25jZQ='],
    ['of padding alone', '=='.repeat(12)],
    ['of great length', 'A'.repeat(4000)],
  ].map(([what, value]): [string, number, RegExp, string] => [
    `a key ${what}`,
    400,
    /Key/,
    handshakeText(having('Sec-WebSocket-Key', value!)),
  ]),
  ...['', ',', ';a', 'a;', 'a; b=', 'a; b=""', 'a; b="c, d"', 'a; b="c', 'a b', '"a"', 'a; b=c=d'].map(
    (value): [string, number, RegExp, string] => [
      `the malformed extensions "${value}" (9.1)`,
      400,
      /Extensions/,
      handshakeText(having('Sec-WebSocket-Extensions', value)),
    ],
  ),
  [
    'malformed extensions in a second field',
    400,
    /Extensions/,
    handshakeText(having('Sec-WebSocket-Extensions', 'permessage-deflate', '=')),
  ],
  ...['', ',', 'a b', '"a"', 'a/b', 'a;b', 'a, @'].map((value): [string, number, RegExp, string] => [
    `the malformed subprotocols "${value}" (4.1)`,
    400,
    /Protocol/,
    handshakeText(having('Sec-WebSocket-Protocol', value)),
  ]),
  ['two Origins', 400, /Origin/, handshakeText(having('Origin', 'http://a', 'http://b'))],
  ['a body', 400, /body/, `${handshakeText(having('Content-Length', '5'))}hello`],
  ['a chunked body', 400, /body/, `${handshakeText(having('Transfer-Encoding', 'chunked'))}0\r\n\r\n`],
  ['a wrong Content-Length', 400, /Content-Length/, handshakeText(having('Content-Length', '-1'))],
  ['an expectation', 417, /100-continue/, handshakeText(having('Expect', 'x'))],
  ['a folded field', 400, /folded/, lines('GET / HTTP/1.1', 'Host: x', 'X: a', ' b')],
  ['space before a colon', 400, /colon/, lines('GET / HTTP/1.1', 'Host : x')],
  ['a field without colon', 400, /colon/, lines('GET / HTTP/1.1', 'Host: x', 'nonsense')],
  ['a name that is no token', 400, /token/, lines('GET / HTTP/1.1', 'Host: x', 'a(b: c')],
  ['NUL in a value', 400, /control/, handshakeText(having('X', 'a\0b'))],
  ['a bare CR', 400, /CR/, lines('GET / HTTP/1.1', 'Host: x\ry')],
  ['a bare LF', 400, /LF/, lines('GET / HTTP/1.1', 'Host: x\nUpgrade: websocket')],
];

describe('the opening handshake (RFC 6455 4.2.1)', () => {
  it.each(accepted)('accepts %s', async (_, request) => {
    const { connect } = await startServer({ message: (c, data) => void c.send(data) });
    const client = await connect();
    client.write(Buffer.from(request, 'latin1'));
    expect((await client.response()).status).toBe(101);
    client.text('works');
    expect((await client.frame()).payload.toString()).toBe('works');
  });

  it.each(refused)('refuses %s with %i', async (_, status, says, request) => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers });
    const client = await connect();
    client.write(Buffer.from(request, 'latin1'));
    const response = await client.response(request.startsWith('HEAD'));
    expect(response).toMatchObject({ status });
    if (!request.startsWith('HEAD')) expect(response.body).toMatch(says);
    expect(record.opened.all).toEqual([]);
  });

  it.each(refused.filter(([, status]) => status !== 404))(
    'ends the transport after refusing %s with %i, and looks at nothing behind it',
    async (_, status, __, request) => {
      const record = recorder();
      const { connect, server } = await startServer({ ...record.handlers });
      const client = await connect();
      client.write(Buffer.concat([Buffer.from(request, 'latin1'), Buffer.from(handshakeText())]));
      const response = await client.response(request.startsWith('HEAD'));
      expect(response.status).toBe(status);
      expect(response.header('connection')).toMatch(/close|Upgrade/);
      expect((await client.bytesToEnd()).length).toBe(0);
      expect(record.opened.all).toEqual([]);
      expect(server.stats()).toMatchObject({ refused: 1, opened: 0 });
    },
  );

  it('names the version it speaks with 426 (RFC 6455 4.4, RFC 9110 15.5.22)', async () => {
    const { connect } = await startServer({ ...recorder().handlers });
    const client = await connect();
    client.write(handshakeText(having('Sec-WebSocket-Version', '14')));
    const response = await client.response();
    expect(response.header('sec-websocket-version')).toBe('13');
    expect(response.header('upgrade')).toBe('websocket');
    expect(response.header('connection')).toMatch(/\bUpgrade\b/);
  });

  it('names the method it takes with 405 (RFC 9110 15.5.6)', async () => {
    const { connect } = await startServer({ ...recorder().handlers });
    const client = await connect();
    client.write(handshakeText({ method: 'DELETE' }));
    expect((await client.response()).header('allow')).toBe('GET');
  });

  it('says in words what was wrong, as plain text', async () => {
    const { connect } = await startServer({ ...recorder().handlers });
    const client = await connect();
    client.write(handshakeText(without('Sec-WebSocket-Key')));
    const response = await client.response();
    expect(response.header('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.body).toBe('Sec-WebSocket-Key is missing.\n');
  });
});

describe('the answer to a handshake (RFC 6455 4.2.2)', () => {
  it('has exactly the fields that are due', async () => {
    const { connect } = await startServer({ ...recorder().handlers });
    const client = await connect();
    client.write(handshakeText(having('Sec-WebSocket-Extensions', 'permessage-deflate')));
    expect((await client.response()).fields.sort()).toEqual([
      ['connection', 'Upgrade'],
      ['sec-websocket-accept', sampleAccept],
      ['upgrade', 'websocket'],
    ]);
  });

  it('proves that it read the key, whatever its bytes', async () => {
    const { connect } = await startServer({ ...recorder().handlers });
    const keys = [
      Buffer.alloc(16),
      Buffer.alloc(16, 0xff),
      ...Array.from({ length: 50 }, () => randomBytes(16)),
    ];
    for (const value of keys.map((bytes) => bytes.toString('base64'))) {
      const client = await connect();
      client.write(handshakeText(having('Sec-WebSocket-Key', value)));
      const expected = createHash('sha1')
        .update(`${value}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      expect((await client.response()).header('sec-websocket-accept')).toBe(expected);
    }
  });
});

describe('a handshake in pieces', () => {
  it('may come byte by byte', async () => {
    const { connect, server } = await startServer({ message: (c, data) => void c.send(data) });
    const client = await connect();
    const bytes = Buffer.concat([
      Buffer.from(handshakeText()),
      encodeFrame({ opcode: Opcode.TEXT, payload: 'one' }),
    ]);
    for (let at = 0; at < bytes.length; at++) {
      client.write(bytes.subarray(at, at + 1));
      await turnUntil(() => server.stats().bytesReceived > at);
    }
    expect((await client.response()).status).toBe(101);
    expect((await client.frame()).payload.toString()).toBe('one');
  });

  it.each([1, 2, 50, 500, 3000])('may bring %i frames along, which are told in order', async (count) => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers });
    const client = await connect();
    const texts = Array.from({ length: count }, (_, i) => `message ${i}`);
    client.write(
      Buffer.concat([
        Buffer.from(handshakeText()),
        ...texts.map((payload) => encodeFrame({ opcode: Opcode.TEXT, payload })),
        encodeFrame({ opcode: Opcode.CLOSE }),
      ]),
    );
    client.end();
    expect((await record.closed.next()).code).toBe(1005);
    expect(record.messages.all).toEqual(texts);
  });

  it('may end inside a frame', async () => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers });
    const client = await connect();
    const frame = encodeFrame({ opcode: Opcode.TEXT, payload: 'cut in two' });
    client.write(Buffer.concat([Buffer.from(handshakeText()), frame.subarray(0, 9)]));
    await client.response();
    client.write(frame.subarray(9));
    expect(await record.messages.next()).toBe('cut in two');
  });

  it('brings along what fails the connection only after it was opened', async () => {
    const record = recorder();
    const { connect } = await startServer({ ...record.handlers });
    const client = await connect();
    client.write(Buffer.concat([Buffer.from(handshakeText()), Buffer.alloc(50, 0xff)]));
    await client.response();
    expect((await client.frame()).payload.readUInt16BE(0)).toBe(1002);
    client.end();
    expect(await record.closed.next()).toMatchObject({ code: 1006, clean: false });
    expect(record.opened.all.length).toBe(1);
  });
});
