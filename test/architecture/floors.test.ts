import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = resolve('scripts/floors.mjs');
const house: Record<string, string> = {
  'native/core/base/list.h': '',
  'native/core/net/transport.h': '#include "base/list.h"\n',
  'native/core/net/transport.c': '#include "net/transport.h"\n\n#include <stdlib.h>\n',
  'native/core/http/exchange.h': '#include "net/transport.h"\n',
  'native/core/websocket/connection.h': '#include "net/transport.h"\n',
  'native/binding/addon.cc': 'extern "C" {\n#include "http/exchange.h"\n}\n',
};

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'floors-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function judge(planted: Record<string, string> = {}) {
  for (const [name, text] of Object.entries({ ...house, ...planted })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return { status, said: stdout.trim().split('\n') };
}

test('a house whose rooms include only those below them passes', () => {
  expect(judge()).toEqual({ status: 0, said: ['floors: 0 to mend'] });
});

test('an include that leads upwards fails, and is named with its line', () => {
  const { status, said } = judge({ 'native/core/base/list.c': '\n#include "net/transport.h"\n' });
  expect(status).toBe(1);
  expect(said[0]).toBe(
    'upwards: native/core/base/list -> native/core/net/transport (native/core/base/list.c:2)',
  );
});

test('an include of a room on the same floor fails', () => {
  const { status, said } = judge({ 'native/core/http/exchange.c': '#include "websocket/connection.h"\n' });
  expect(status).toBe(1);
  expect(said[0]).toMatch('upwards: native/core/http/exchange -> native/core/websocket/connection');
});

test('a circle of pairs inside a room fails, and names all of it', () => {
  const { status, said } = judge({
    'native/core/net/send.h': '#include "net/transport.h"\n',
    'native/core/net/transport.c': '#include "net/send.h"\n',
  });
  expect(status).toBe(1);
  expect(said[0]).toBe('in a circle: native/core/net/send (native/core/net/send, native/core/net/transport)');
});

test('an extern outside a header fails', () => {
  const { status, said } = judge({ 'native/core/net/send.c': 'extern int other;\n' });
  expect(status).toBe(1);
  expect(said[0]).toBe(
    'extern outside a header: native/core/net/send.c: extern int other; (native/core/net/send.c:1)',
  );
});

test.each([
  '#include <libwebsockets.h>',
  'static struct lws *wsi;',
  'void *p = lws_zalloc(1);',
  'int x = LWS_POLLIN;',
])('libwebsockets outside its room fails: %s', (line) => {
  const { status, said } = judge({
    'native/core/net/send.c': `${line}\n`,
    'native/core/lws/wsi.c': `${line}\n`,
  });
  expect(status).toBe(1);
  expect(said).toEqual([
    `lws outside its room: native/core/net/send.c: ${line} (native/core/net/send.c:1)`,
    'floors: 1 to mend',
  ]);
});

test('a file that lies in no room fails', () => {
  const { status, said } = judge({ 'native/core/stray.c': '' });
  expect(status).toBe(1);
  expect(said[0]).toBe('in no room: native/core/stray (native/core/stray)');
});

test('a circle of the library, types included, fails', () => {
  const { status, said } = judge({
    'lib/http/a.ts': "import type { B } from './b';\n",
    'lib/http/b.ts': "export { a } from './a.ts';\n",
  });
  expect(status).toBe(1);
  expect(said[0]).toBe('in a circle: lib/http/a.ts (lib/http/a.ts, lib/http/b.ts)');
});

test('an import of the library that leads upwards or across fails, also of a type', () => {
  const { status, said } = judge({
    'lib/index.ts': "export { serve } from './server/server.js';\n",
    'lib/server/server.ts': '',
    'lib/http/files.ts': "import type { Server } from '../server/server.js';\n",
    'lib/client/connect.ts': "import { adopt } from '../adopt/parts/adopter.js';\n",
    'lib/adopt/parts/adopter.ts': '',
  });
  expect(status).toBe(1);
  expect(said.slice(0, -1)).toEqual([
    'upwards: lib/client/connect.ts -> lib/adopt/parts/adopter.ts (lib/client/connect.ts:1)',
    'upwards: lib/http/files.ts -> lib/server/server.ts (lib/http/files.ts:1)',
  ]);
});

test('a file at the root of the library fails, but for its index', () => {
  const { said } = judge({ 'lib/index.ts': '', 'lib/server.ts': '' });
  expect(said[0]).toBe('in no room: lib/server.ts (lib/server.ts)');
});

test('the rooms of this tree keep the rules', () => {
  const { status, stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect(stdout).toMatch(/^floors: 0 to mend/m);
  expect(status).toBe(0);
});
