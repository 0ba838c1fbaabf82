// npm run test:nodes: what a Node line can change, on other Node lines, with the binary that is already built.
// Arguments: lines (22 24), files and options of vitest; a file that is named runs whether a line changes it or not.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { addon } from './build.mjs';
import { fetchNode } from './tools/programs.mjs';
import { attempt, Failure, main } from './tools/run.mjs';
import { prepareSuite, runSuite } from './tools/suite.mjs';

/** Node lines to support besides the one that runs this script. */
const versions = ['22.23.3', '24.21.0', '26.10.0'];

/**
 * What a Node line can change: Node-API and V8 under the binding, OpenSSL, zlib and libuv of the executable, the
 * sockets, requests and streams that are adopted, types of the language. The rest is bytes through the same core
 * or a peer beside it (protocol tables, Redis, browsers, docs, examples), and runs once, under `npm test`.
 */
const changed = [
  'test/adopt/',
  'test/api/',
  'test/client/',
  'test/deflate/',
  'test/http/',
  'test/interop/',
  'test/lifecycle/',
  'test/package/',
  'test/protocol/close-handshake',
  'test/protocol/handshake',
  'test/protocol/hostile',
  'test/sessions/encode',
  'test/sessions/http-logins',
  'test/sessions/manager',
  'test/sessions/memory-store',
  'test/sessions/server',
  'test/sessions/wheel',
  'test/tls/',
];

function libraries(binary) {
  const script = 'const v = process.versions; console.log([v.node, v.napi, v.uv, v.openssl].join(" "))';
  const result = attempt(binary, ['-e', script]);
  if (!result.ok) throw new Failure(`${binary} does not run: ${result.stderr.trim()}`);
  const [node, napi, uv, openssl] = result.stdout.trim().split(' ');
  return { node, 'Node-API': napi, libuv: uv, OpenSSL: openssl };
}

const fingerprint = () => createHash('sha256').update(readFileSync(addon)).digest('hex').slice(0, 12);

await main(async (args) => {
  const chosen = versions.filter((version) => args.some((arg) => version.startsWith(`${arg}.`)));
  const rest = args.filter((arg) => !versions.some((version) => version.startsWith(`${arg}.`)));
  const named = rest.some((arg) => arg.startsWith('test/'));
  await prepareSuite();
  const built = fingerprint();
  const rows = [];
  for (const version of chosen.length > 0 ? chosen : versions) {
    const node = fetchNode(version);
    const started = Date.now();
    const { code, passed, failed } = runSuite({
      node,
      name: `vitest-node-${version}`,
      args: named ? rest : [...changed, ...rest],
    });
    const seconds = Math.round((Date.now() - started) / 1000);
    rows.push({ ...libraries(node), passed, failed, seconds, result: code === 0 ? 'ok' : 'FAILED' });
  }
  if (fingerprint() !== built) throw new Failure('the binary changed during the run');
  console.log(
    `\none binary, build/Release/lws.node, SHA-256 ${built}…, built with Node ${process.versions.node}`,
  );
  console.table(Object.fromEntries(rows.map(({ node, ...row }) => [`Node ${node}`, row])));
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  return rows.every((row) => row.result === 'ok') ? 0 : 1;
});
