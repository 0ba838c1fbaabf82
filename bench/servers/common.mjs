// What every server script shares. Runs in Node, Bun and Deno.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';

/** The arguments `--name=value` of a server script. */
export function readOptions() {
  const options = {
    mode: 'echo',
    path: '',
    keep: 0,
    transient: false,
    busy: false,
    watch: false,
    threads: 1,
    topics: 1,
    deflate: false,
    tls: '',
    modules: '',
    port: 0,
    connections: 0,
  };
  for (const argument of process.argv.slice(2)) {
    const [, name, value] = /^--([a-z]+)=(.*)$/s.exec(argument) ?? [];
    if (!(name in options)) throw new Error(`expected --name=value of a known option, got "${argument}"`);
    options[name] =
      typeof options[name] === 'number'
        ? Number(value)
        : typeof options[name] === 'boolean'
          ? value === '1'
          : value;
  }
  return options;
}

/** Key and certificate in the folder that `--tls` names; undefined without. */
export function readTls(folder) {
  if (folder === '') return undefined;
  return { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/cert.pem`) };
}

/** Subscribes a connection to the topic that is published to, and to others of its own where the cell wants more. */
export function subscriber(topics) {
  let connections = 0;
  return (connection) => {
    const number = connections++;
    connection.subscribe('all');
    for (let i = 1; i < topics; i++) connection.subscribe(`${number}/${i}`);
  };
}

/** permessage-deflate alike for all who can be told: zlib's defaults, every message, no context kept. */
export const zlib = { level: 6, memLevel: 8, windowBits: 15 };

/** Loads a package from the folder whose `node_modules` holds it. */
export function load(folder, name) {
  const require = createRequire(`${folder}/`);
  return { module: require(name), version: require(`${name}/package.json`).version };
}

/** Tells the runner that the client connects, and ends with standard input. */
export function announceClient(version) {
  process.stdout.write(`${JSON.stringify({ version })}\n`);
  process.stdin.on('end', () => process.exit(0)).resume();
}

/** Tells the runner where the server listens, collects garbage when asked to, and ends with standard input. */
export function announce(port, version) {
  process.stdout.write(`${JSON.stringify({ port, version })}\n`);
  process.stdin.on('data', () => {
    if (globalThis.Bun) globalThis.Bun.gc(true);
    else globalThis.gc();
    process.stdout.write(`${JSON.stringify({ collected: true })}\n`);
  });
  process.stdin.on('end', () => process.exit(0));
}

/**
 * Keeps the last `count` messages alive, as an application that queues or logs them does, and ends the server when
 * one of them changed while it was kept.
 */
export function keeper(count) {
  const kept = new Array(count);
  const marks = new Array(count);
  let next = 0;
  const mark = (bytes) => bytes[0] | (bytes[bytes.length >> 1] << 8) | (bytes[bytes.length - 1] << 16);
  return (bytes) => {
    if (kept[next] && mark(kept[next]) !== marks[next]) {
      process.stderr.write('a kept message changed\n');
      process.exit(1);
    }
    kept[next] = bytes;
    marks[next] = mark(bytes);
    next = next + 1 === count ? 0 : next + 1;
  };
}
