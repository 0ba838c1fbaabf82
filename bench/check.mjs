// The load generator against servers that lie: each lie must end it with exit code 1 and the sentence that names it.
// node bench/check.mjs
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { compile } from './runner/prepare.mjs';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const response = (key, extra = '') => {
  const accept = createHash('sha1')
    .update(key + guid)
    .digest('base64');
  const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
  return `${head}Sec-WebSocket-Accept: ${accept}\r\n${extra}\r\n`;
};

const frame = (payload, first = 0x82) => Buffer.concat([Buffer.from([first, payload.length]), payload]);

/** Whole masked frames of up to 125 bytes at the beginning of `bytes`, unmasked; and what is left. */
function parse(bytes) {
  const frames = [];
  while (bytes.length >= 6 && bytes.length >= 6 + (bytes[1] & 0x7f)) {
    const length = bytes[1] & 0x7f;
    const payload = bytes.subarray(6, 6 + length).map((byte, index) => byte ^ bytes[2 + (index % 4)]);
    frames.push({ first: bytes[0], payload });
    bytes = bytes.subarray(6 + length);
  }
  return { frames, rest: bytes };
}

/** A server whose `answer(payload, number, socket, first)` gives the bytes sent back for each message. */
function serve({ accept = response, answer = (payload) => frame(payload) }) {
  const sockets = new Set();
  const server = createServer((socket) => {
    let rest = Buffer.alloc(0);
    let upgraded = false;
    let number = 0;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      if (!upgraded) {
        socket.write(accept(/Sec-WebSocket-Key: (.*)\r\n/.exec(rest.toString('latin1'))[1]));
        upgraded = true;
        rest = Buffer.alloc(0);
        return;
      }
      const parsed = parse(rest);
      rest = parsed.rest;
      for (const { first, payload } of parsed.frames) {
        const bytes = answer(payload, number++, socket, first, sockets);
        if (bytes) socket.write(bytes);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const close = () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      };
      resolve({ port: server.address().port, close });
    });
  });
}

function run(program, options) {
  const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  return new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, output, errors: errors.trim() })),
  );
}

const everyone = (payload, sockets, changed = (_socket, bytes) => bytes) => {
  for (const socket of sockets) socket.write(changed(socket, frame(payload)));
};
const flipped = (payload) => {
  const copy = Buffer.from(payload);
  copy[copy.length - 1] ^= 1;
  return copy;
};

let held; // the message that the swapping server keeps back
let pongs = 0;

// What the server does; what the generator must say ('' where it must be content); its further options.
const cases = [
  ['echoes', {}, ''],
  [
    'fragments',
    { answer: (p) => Buffer.concat([frame(p.subarray(0, 7), 0x02), frame(p.subarray(7), 0x80)]) },
    '',
  ],
  [
    'pings between the messages',
    {
      answer: (payload, _number, _socket, first) => {
        if (first === 0x8a) pongs++;
        else return Buffer.concat([frame(Buffer.from('?'), 0x89), frame(payload)]);
      },
    },
    '',
  ],
  ['refuses', { accept: () => 'HTTP/1.1 503 No\r\n\r\n' }, 'expected HTTP/1.1 101'],
  ['accepts another key', { accept: (key) => response(`${key}x`) }, 'Sec-WebSocket-Accept'],
  [
    'chooses an extension',
    { accept: (key) => response(key, 'Sec-WebSocket-Extensions: permessage-deflate\r\n') },
    'extension',
  ],
  ['changes one bit', { answer: (p, n) => frame(n === 50 ? flipped(p) : p) }, 'message 50 came back changed'],
  [
    'changes the first frame of a fragmented message',
    {
      answer: (p) => Buffer.concat([frame(flipped(p.subarray(0, 7)), 0x02), frame(p.subarray(7), 0x80)]),
    },
    'came back changed',
  ],
  ['sends one byte less', { answer: (p) => frame(p.subarray(1)) }, 'changed'],
  ['cuts the end off', { answer: (p) => frame(p.subarray(0, 19)) }, 'expected 20 bytes, got 19'],
  ['adds a byte', { answer: (p) => frame(Buffer.concat([p, p.subarray(0, 1)])) }, 'got more'],
  ['turns binary into text', { answer: (p) => frame(p, 0x81) }, 'expected opcode 2, got 1'],
  ['sets a reserved bit', { answer: (p) => frame(p, 0xc2) }, 'reserved bits'],
  [
    'masks',
    { answer: (p) => Buffer.concat([Buffer.from([0x82, 0x80 | p.length, 0, 0, 0, 0]), p]) },
    'masked',
  ],
  ['answers twice', { answer: (p) => Buffer.concat([frame(p), frame(p)]) }, 'not sent'],
  [
    'repeats the message before',
    {
      answer: (payload) => {
        const before = held ?? payload;
        held = payload;
        return frame(before);
      },
    },
    'changed',
    '--depth=4',
  ],
  ['loses a message', { answer: (p, n) => (n === 20 ? undefined : frame(p)) }, 'no progress'],
  [
    'loses one of four in flight',
    { answer: (p, n) => (n === 20 ? undefined : frame(p)) },
    'changed',
    '--depth=4',
  ],
  [
    'closes',
    { answer: (p, n) => (n < 9 ? frame(p) : frame(Buffer.from([3, 233]), 0x88)) },
    'closed connection 0 with code 1001',
  ],
  ['ends', { answer: (_p, _n, socket) => void socket.destroy() }, 'ended connection'],
  [
    'broadcasts',
    { answer: (p, _n, _s, _f, all) => everyone(p, all) },
    '',
    '--mode=broadcast',
    '--connections=5',
    '--senders=3',
  ],
  [
    'broadcasts twice',
    {
      answer: (p, _n, _s, _f, all) => everyone(p, all, (_socket, bytes) => Buffer.concat([bytes, bytes])),
    },
    'expected message',
    '--mode=broadcast',
    '--connections=5',
  ],
  [
    'broadcasts to all but one',
    {
      answer: (p, _n, own, _f, all) => everyone(p, all, (socket, bytes) => (socket === own ? '' : bytes)),
    },
    'no progress',
    '--mode=broadcast',
    '--connections=5',
  ],
  [
    'broadcasts a changed message',
    {
      answer: (p, _n, _s, _f, all) => everyone(flipped(p), all),
    },
    'changed',
    '--mode=broadcast',
    '--connections=5',
  ],
];

const mixed = ['--mode=mixed', '--connections=4', '--depth=8', '--pace=0.001'];
cases.push(
  ['echoes a flood and what is quiet', {}, '', ...mixed],
  [
    'loses a message of a mixed load',
    { answer: (p, n) => (n === 20 ? undefined : frame(p)) },
    'changed',
    ...mixed,
  ],
);

async function check(program, [title, server, wanted, ...options]) {
  held = undefined;
  const { port, close } = await serve(server);
  const times = ['--warmup=0', '--seconds=0.2'];
  const { code, output, errors } = await run(program, [`--port=${port}`, ...times, ...options]);
  close();
  const content = wanted === '' && code === 0 && JSON.parse(output).messages > 0;
  const caught = wanted !== '' && code === 1 && output === '' && errors.includes(wanted);
  const passed = content || caught;
  console.log(
    `${passed ? 'ok  ' : 'FAIL'} a server that ${title}${passed ? '' : `: exit code ${code}, "${errors}"`}`,
  );
  return passed;
}

const program = await compile('load');
const results = [];
for (const one of cases) results.push(await check(program, one));

const { code } = await run(program, ['--port=70000']);
console.log(`${code === 2 ? 'ok  ' : 'FAIL'} wrong arguments: exit code ${code}`);
results.push(code === 2);
console.log(`${pongs > 0 ? 'ok  ' : 'FAIL'} pings were answered ${pongs} times`);
results.push(pongs > 0);

const passed = results.filter(Boolean).length;
console.log(`${passed} passed, ${results.length - passed} failed`);
process.exitCode = passed === results.length ? 0 : 1;
