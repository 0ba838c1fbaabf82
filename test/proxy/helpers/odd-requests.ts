import { handshakeText } from '../../helpers/raw-client.js';

/** One or more requests as bytes, and what a strict server makes of them. */
export interface Odd {
  name: string;
  text: string;
  /** What reaches the handler, in order: method, target and body. */
  seen: string[];
  /** The status of what is refused behind that; undefined: all is taken. */
  refused?: number;
}

const HOST = 'Host: odd.example\r\n';
const POST = `POST /p HTTP/1.1\r\n${HOST}`;

const get = (target: string, fields = '') => `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`;
const chunked = (body: string, field = 'Transfer-Encoding: chunked') => `${POST}${field}\r\n\r\n${body}`;
/** What an attacker wants to be a request of its own. */
const hidden = get('/hidden');

function taken(entries: Record<string, [text: string, ...seen: string[]]>): Odd[] {
  return Object.entries(entries).map(([name, [text, ...seen]]) => ({ name, text, seen }));
}

function refused(status: number, entries: Record<string, string>): Odd[] {
  return Object.entries(entries).map(([name, text]) => ({ name, text, seen: [], refused: status }));
}

const forms = taken({
  'a plain request': [get('/a'), 'GET /a '],
  'an empty line before': [`\r\n${get('/a')}`, 'GET /a '],
  'two empty lines before': [`\r\n\r\n${get('/a')}`, 'GET /a '],
  'an unknown method': [`BREW /pot HTTP/1.1\r\n${HOST}\r\n`, 'BREW /pot '],
  'a method in small letters': [`get /a HTTP/1.1\r\n${HOST}\r\n`, 'get /a '],
  'a query with another': ['GET /a?b?c=d HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /a?b?c=d '],
  'two slashes': [get('//a//b'), 'GET //a//b '],
  'an encoded slash': [get('/a%2Fb'), 'GET /a%2Fb '],
  'dots that are encoded': [get('/a/%2e%2e/b'), 'GET /a/%2e%2e/b '],
  'a bad code': [get('/%zz'), 'GET /%zz '],
  'an absolute target': [get('http://odd.example/a?b'), 'GET http://odd.example/a?b '],
  'an absolute target without path': [get('http://odd.example'), 'GET http://odd.example '],
  'an absolute target of another host': [get('http://other.example/a'), 'GET http://other.example/a '],
  'an absolute target in capitals': [get('HTTP://odd.example/a'), 'GET HTTP://odd.example/a '],
  'a WebSocket target': [get('ws://odd.example/a'), 'GET ws://odd.example/a '],
  '* of OPTIONS': [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 'OPTIONS * '],
  'an empty Host': ['GET /a HTTP/1.1\r\nHost:\r\n\r\n', 'GET /a '],
  'a Host with port': ['GET /a HTTP/1.1\r\nHost: odd.example:80\r\n\r\n', 'GET /a '],
  'an IPv6 Host': ['GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', 'GET /a '],
  'no blank before a value': [get('/a', 'X:1\r\n'), 'GET /a '],
  'blanks around a value': [get('/a', 'X: \t 1 \t \r\n'), 'GET /a '],
  'an empty value': [get('/a', 'X:\r\n'), 'GET /a '],
  'bytes beyond ASCII in a value': [get('/a', 'X: \xe4\xff\r\n'), 'GET /a '],
  'an underscore in a name': [get('/a', 'Content_Length: 5\r\n'), 'GET /a '],
  'Connection that names Content-Length': [
    `${POST}Connection: Content-Length\r\nContent-Length: 2\r\n\r\nhi`,
    'POST /p hi',
  ],
  'Connection that names Host': [get('/a', 'Connection: keep-alive, Host\r\n'), 'GET /a '],
  'TE that names trailers': [get('/a', 'TE: trailers\r\nConnection: TE\r\n'), 'GET /a '],
  'an unknown protocol': [get('/a', 'Connection: Upgrade\r\nUpgrade: h2c\r\n'), 'GET /a '],
  'an unknown protocol, then a request': [
    get('/a', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n') +
      get('/b'),
    'GET /a ',
    'GET /b ',
  ],
  'Upgrade without Connection': [get('/a', 'Upgrade: foo\r\n'), 'GET /a '],
  'Connection without Upgrade': [get('/a', 'Connection: Upgrade\r\n'), 'GET /a '],
  'two in a row': [get('/a') + get('/b'), 'GET /a ', 'GET /b '],
  'five in a row': [
    [1, 2, 3, 4, 5].map((i) => get(`/${i}`)).join(''),
    ...[1, 2, 3, 4, 5].map((i) => `GET /${i} `),
  ],
  'an empty line between two': [`${get('/a')}\r\n${get('/b')}`, 'GET /a ', 'GET /b '],
});

const bodies = taken({
  'a length': [`${POST}Content-Length: 2\r\n\r\nhi`, 'POST /p hi'],
  'a length with zeros before': [`${POST}Content-Length: 0002\r\n\r\nhi`, 'POST /p hi'],
  'a length of nothing': [`${POST}Content-Length: 0\r\n\r\n`, 'POST /p '],
  'a POST without a body': [`${POST}\r\n`, 'POST /p '],
  'a GET with a body': [`GET /g HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`, 'GET /g hi'],
  'a request as a body': [`${POST}Content-Length: ${hidden.length}\r\n\r\n${hidden}`, `POST /p ${hidden}`],
  'a body, then a request': [`${POST}Content-Length: 2\r\n\r\nhi${get('/b')}`, 'POST /p hi', 'GET /b '],
  'a GET with a request as a body': [
    `GET /g HTTP/1.1\r\n${HOST}Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
    `GET /g ${hidden}`,
  ],
  chunks: [chunked('2\r\nhi\r\n3\r\n me\r\n0\r\n\r\n'), 'POST /p hi me'],
  'chunks in capitals': [
    chunked('A\r\n0123456789\r\n0\r\n\r\n', 'Transfer-Encoding: CHUNKED'),
    'POST /p 0123456789',
  ],
  'chunk sizes with zeros before': [chunked('0002\r\nhi\r\n000\r\n\r\n'), 'POST /p hi'],
  'a request as a chunk': [
    chunked(`${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`),
    `POST /p ${hidden}`,
  ],
  'a chunk extension': [chunked('2;a=b\r\nhi\r\n0\r\n\r\n'), 'POST /p hi'],
  'a quoted chunk extension': [chunked('2;a="b c;d"\r\nhi\r\n0\r\n\r\n'), 'POST /p hi'],
  trailers: [chunked('2\r\nhi\r\n0\r\nX: y\r\n\r\n'), 'POST /p hi'],
  'trailers that would frame': [chunked('2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n'), 'POST /p hi'],
  'chunks, then a request': [chunked(`2\r\nhi\r\n0\r\n\r\n${get('/b')}`), 'POST /p hi', 'GET /b '],
  'empty chunks alone': [chunked('0\r\n\r\n'), 'POST /p '],
});

const upgrades: Odd[] = [
  {
    name: 'an upgrade of another version',
    text: handshakeText({ headers: { 'Sec-WebSocket-Version': '8' } }) + hidden,
    seen: [],
    refused: 426,
  },
  {
    name: 'an upgrade with a bad key',
    text: handshakeText({ headers: { 'Sec-WebSocket-Key': 'x' } }) + hidden,
    seen: [],
    refused: 400,
  },
  { name: 'an upgrade by POST', text: handshakeText({ method: 'POST' }) + hidden, seen: [], refused: 405 },
  {
    name: 'an upgrade with a body',
    text: `${handshakeText({ headers: { 'Content-Length': String(hidden.length) } })}${hidden}`,
    seen: [],
    refused: 400,
  },
  {
    name: 'an upgrade that is refused',
    text: handshakeText({ target: '/refused' }) + hidden,
    seen: [],
    refused: 403,
  },
];

const malformed = refused(400, {
  'a bare LF': 'GET /a HTTP/1.1\nHost: x\n\n',
  'a bare LF behind the request line': `GET /a HTTP/1.1\n${HOST}\r\n`,
  'a bare LF behind a field': `GET /a HTTP/1.1\r\nHost: x\nX: y\r\n\r\n`,
  'a bare LF that hides a length': `${POST}X: y\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'a bare CR in a value': get('/a', 'X: a\rb\r\n'),
  'a bare CR that hides a length': `${POST}X: y\rContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'CR CR LF': `GET /a HTTP/1.1\r\r\n${HOST}\r\n`,
  'LF at the end of the head': `GET /a HTTP/1.1\r\n${HOST}\n${hidden}`,
  'a NUL in a value': get('/a', 'X: a\0b\r\n'),
  'a control character in a value': get('/a', 'X: a\x01b\r\n'),
  'a folded field': get('/a', 'X: a\r\n b\r\n'),
  'a folded coding': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding:\r\n chunked'),
  'a folded length': `${POST}Content-Length:\r\n 2\r\n\r\nhi`,
  'a blank before the first field': `GET /a HTTP/1.1\r\n ${HOST}\r\n`,
  'a blank before a colon': get('/a', 'X : y\r\n'),
  'a blank in the name of the length': `${POST}Content-Length : 2\r\n\r\nhi`,
  'a blank in the name of the coding': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding : chunked'),
  'a field without colon': get('/a', 'X\r\n'),
  'a field without name': get('/a', ': x\r\n'),
  'a name with a bracket': get('/a', 'X[: y\r\n'),
  'no Host': 'GET /a HTTP/1.1\r\n\r\n',
  'two Hosts': `GET /a HTTP/1.1\r\n${HOST}Host: other\r\n\r\n`,
  'a Host with a path': 'GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'a Host with a user': 'GET /a HTTP/1.1\r\nHost: u@a\r\n\r\n',
  'a Host of empty brackets': 'GET /a HTTP/1.1\r\nHost: []\r\n\r\n',
  'a Host with a large port': 'GET /a HTTP/1.1\r\nHost: a:99999\r\n\r\n',
  'a Host with a comma and a blank': 'GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n',
  'a target without slash': get('a'),
  'a target of a query': get('?a'),
  '* of GET': get('*'),
  'an authority as target': get('odd.example:80'),
  'a fragment': get('/a#b'),
  'a scheme without host': get('http:///a'),
  'a scheme without slashes': get('http:a'),
  'an unknown scheme': get('ftp://odd.example/a'),
  'a user in a target': get('http://u@odd.example/a'),
  'no target': `GET  HTTP/1.1\r\n${HOST}\r\n`,
  'no version': `GET /a\r\n${HOST}\r\n`,
  'two blanks in the request line': `GET  /a HTTP/1.1\r\n${HOST}\r\n`,
  'a blank behind the version': `GET /a HTTP/1.1 \r\n${HOST}\r\n`,
  'a TAB in the request line': `GET\t/a\tHTTP/1.1\r\n${HOST}\r\n`,
  'a version in small letters': `GET /a http/1.1\r\n${HOST}\r\n`,
  'a version of two digits': `GET /a HTTP/1.10\r\n${HOST}\r\n`,
  'a bracket in a method': `G[T /a HTTP/1.1\r\n${HOST}\r\n`,
  'a length and chunks': chunked(`0\r\n\r\n${hidden}`, 'Content-Length: 5\r\nTransfer-Encoding: chunked'),
  'chunks and a length': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: chunked\r\nContent-Length: 5'),
  'two lengths': `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi`,
  'a list of lengths': `${POST}Content-Length: 2, 3\r\n\r\nhi`,
  'a length with sign': `${POST}Content-Length: +2\r\n\r\nhi`,
  'a negative length': `${POST}Content-Length: -2\r\n\r\nhi`,
  'a hexadecimal length': `${POST}Content-Length: 0x2\r\n\r\nhi`,
  'a length with a blank': `${POST}Content-Length: 2 2\r\n\r\nhi`,
  'a length that wraps': `${POST}Content-Length: 18446744073709551618\r\n\r\nhi`,
  'an empty length': `${POST}Content-Length:\r\n\r\n`,
  'an empty coding': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding:'),
  'two codings': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
  'chunked twice': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: chunked, chunked'),
  'chunked, and another behind': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: chunked, identity'),
  'a vertical tab before chunked': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: \x0bchunked'),
  'chunks in HTTP/1.0': `POST /p HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
});

const unsupported = [
  ...refused(501, {
    'an unknown coding': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: xchunked'),
    'a quoted coding': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: "chunked"'),
    'gzip and chunked': chunked(`0\r\n\r\n${hidden}`, 'Transfer-Encoding: gzip, chunked'),
    CONNECT: `CONNECT odd.example:80 HTTP/1.1\r\nHost: odd.example:80\r\n\r\n${hidden}`,
    'CONNECT to a path': `CONNECT /a HTTP/1.1\r\n${HOST}\r\n${hidden}`,
    'CONNECT with a body': `CONNECT odd.example:80 HTTP/1.1\r\n${HOST}Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
  }),
  ...refused(505, {
    'HTTP/2': `GET /a HTTP/2.0\r\n${HOST}\r\n`,
    'HTTP/1.2': `GET /a HTTP/1.2\r\n${HOST}\r\n`,
    'HTTP/0.9 with a version': `GET /a HTTP/0.9\r\n${HOST}\r\n`,
  }),
  ...refused(417, { 'another expectation': get('/a', 'Expect: tea\r\n') }),
];

/** Bodies that are wrong: their request reached the handler, whose reading fails with 400. */
const spoilt = refused(400, {
  'a chunk without size': chunked(`\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk size with sign': chunked(`+2\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk size with 0x': chunked(`0x2\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk size with a blank behind': chunked(`2 \r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk size with a blank before': chunked(` 2\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk size that wraps': chunked(`10000000000000002\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk size that ends with LF': chunked(`2\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk that is too long': chunked(`2\r\nhii\r\n0\r\n\r\n${hidden}`),
  'a chunk that ends with LF': chunked(`2\r\nhi\n0\r\n\r\n${hidden}`),
  'a chunk extension with LF': chunked(`2;a\nxx\r\n0\r\n\r\n${hidden}`),
  'a chunk extension with CR': chunked(`2;a\rb\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk extension without name': chunked(`2;\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a chunk extension with an open quote': chunked(`2;a="b\r\nhi\r\n0\r\n\r\n${hidden}`),
  'a last chunk that ends with LF': chunked(`0\n\r\n${hidden}`),
  'trailers that end with LF': chunked(`0\r\nX: y\n\r\n${hidden}`),
  'a request in place of trailers': chunked(`0\r\n${hidden}`),
});

export const odds: readonly Odd[] = [
  ...forms,
  ...bodies,
  ...upgrades,
  ...malformed,
  ...unsupported,
  ...spoilt,
];
