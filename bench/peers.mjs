// Who is measured: one entry more is one peer more.
//
// name         the word for --peers
// title        as the report writes it
// runtime      what runs the script: node, bun, deno; none for a C program
// script       in servers/; without: it is none
// client       in clients/, for cells that measure a client; without: it is none
// packages     what it needs from the npm registry; taken from the project where it has them, else fetched
// from         environment variable that names the folder of a peer which is not on npm
// environment  set for its server
// lacks        server options of cells that it cannot do
// only         names of the only cells that it can do

export const peers = [
  { name: 'lws', title: 'libwebsockets', runtime: 'node', script: 'lws.mjs', client: 'lws.mjs' },
  {
    name: 'ws',
    title: 'ws',
    runtime: 'node',
    script: 'ws.mjs',
    client: 'ws.mjs',
    packages: ['ws@8.23.0'],
    environment: { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' },
  },
  {
    name: 'wsn',
    title: 'ws with bufferutil and utf-8-validate',
    runtime: 'node',
    script: 'ws.mjs',
    client: 'ws.mjs',
    packages: ['ws@8.23.0', 'bufferutil@4.1.0', 'utf-8-validate@6.0.6'],
  },
  {
    name: 'bun',
    title: 'Bun',
    runtime: 'bun',
    script: 'bun.mjs',
    client: 'web.mjs',
    packages: ['@oven/bun-linux-x64@1.2.20'],
    lacks: ['deflate'],
  },
  {
    name: 'deno',
    title: 'Deno',
    runtime: 'deno',
    script: 'deno.mjs',
    client: 'web.mjs',
    packages: ['@deno/linux-x64-glibc@2.9.6'],
    lacks: ['tls', 'deflate'],
  },
  {
    name: 'uws',
    title: 'uWebSockets.js',
    runtime: 'node',
    script: 'uws.mjs',
    from: 'UWS_PATH',
    lacks: ['unix', 'deflate'],
  },
  {
    name: 'node',
    title: "Node's built-in client",
    runtime: 'node',
    client: 'web.mjs',
    environment: { NODE_OPTIONS: '--experimental-websocket' }, // for Node 20
  },
  {
    name: 'floor',
    title: 'raw epoll server in C',
    runtime: 'none',
    script: 'floor.c',
    lacks: ['tls', 'deflate'],
  },
  {
    name: 'bare',
    title: "a bare SSL of Node's OpenSSL",
    runtime: 'node',
    script: 'bare.mjs',
    only: ['idle-tls'],
  },
];

/** Measured when --peers is not given; a peer with `from` joins them when its variable is set. */
export const usual = ['lws', 'ws', 'floor', 'bare'];

/** The peers that ratios are taken to. */
export const references = ['ws', 'floor'];
