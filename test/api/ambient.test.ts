import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import ts from 'typescript';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { connect, createServer, type LwsError, reconnect } from '../../lib/index.js';
import { SessionManager } from '../../lib/sessions/index.js';
import { run } from '../lifecycle/children.js';

const lib = fileURLToPath(new URL('../../lib', import.meta.url));

/** What Node adds to the language: a program may replace or delete it at any time. */
function ofNode(): Set<string> {
  const language = new Set(runInNewContext('Object.getOwnPropertyNames(globalThis)') as string[]);
  return new Set(Object.getOwnPropertyNames(globalThis).filter((name) => !language.has(name)));
}

/** Whether an identifier stands for a value that is looked up, and is no name of a property or a type. */
function isLookedUp(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent) || ts.isTypeReferenceNode(parent) || ts.isTypeQueryNode(parent))
    return false;
  return (
    !('name' in parent && parent.name === node) && !('propertyName' in parent && parent.propertyName === node)
  );
}

function lookedUp(text: string, globals: ReadonlySet<string>): string[] {
  const file = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true);
  const declared = new Set<string>();
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
    if ((ts.isImportSpecifier(node) || ts.isImportClause(node)) && node.name !== undefined)
      declared.add(node.name.text);
    if (
      (ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node)) &&
      ts.isIdentifier(node.name)
    )
      declared.add(node.name.text);
    if (ts.isFunctionDeclaration(node) && node.name !== undefined) declared.add(node.name.text);
    if (ts.isIdentifier(node) && globals.has(node.text) && isLookedUp(node)) found.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return [...found].filter((name) => !declared.has(name));
}

test('no source looks a global of Node up when its code runs: lib/shared/ambient.ts bound them all', () => {
  const globals = ofNode();
  for (const name of ['Buffer', 'Response', 'setImmediate', 'URL', 'process'])
    expect(globals).toContain(name);
  expect(lookedUp('const a = new URL(b as Response); c.process; setImmediate(Buffer.from)', globals)).toEqual(
    ['URL', 'setImmediate', 'Buffer'],
  );
  const sources = (readdirSync(lib, { recursive: true }) as string[]).filter((name) => name.endsWith('.ts'));
  const found = sources
    .filter((name) => name !== join('shared', 'ambient.ts'))
    .flatMap((name) =>
      lookedUp(readFileSync(join(lib, name), 'utf8'), globals).map((each) => `${name}: ${each}`),
    );
  expect(found).toEqual([]);
});

test.each(['after', 'before'])(
  'a process whose globals were deleted %s the package was loaded serves, refuses and ends',
  async (when) => {
    const { code, stdout, stderr } = await run('no-globals.mjs', [when]);
    expect({ code, stderr, told: stdout.trim().split('\n') }).toEqual({
      code: 0,
      stderr: '',
      told: ['echo', 'ERR_HANDSHAKE 418', 'again', 'page', 'session', 'closed'],
    });
  },
);

afterEach(() => {
  vi.useRealTimers();
});

test('fake timers stop nothing of ours', async () => {
  vi.useFakeTimers();
  const failures: LwsError[] = [];
  const server = createServer({
    host: '127.0.0.1',
    handshakeTimeout: 50,
    open: (connection) => (connection.request.url === '/held' ? new Promise<void>(() => {}) : undefined),
    message: (connection, data) => (data === 'bye' ? connection.close(1012) : void connection.send(data)),
    request: () => new Response(new Blob(['a page']).stream()),
    error: (error) => failures.push(error),
  });

  const { port } = await server.listen();
  const url = `ws://127.0.0.1:${port}`;
  onTestFinished(() => server.close({ timeout: 10 }).then(() => {}));

  let opened = 0;
  await new Promise<void>((resolve) => {
    const again = reconnect(url, {
      minDelay: 1,
      maxDelay: 5,
      open(connection) {
        if (++opened < 3) connection.send('bye');
        else {
          again.close();
          resolve();
        }
      },
      message() {},
    });
  });

  const held = await connect(`${url}/held`, { message() {} });
  expect((await held.closed).code).toBe(1011);
  expect(failures.map(({ cause }) => (cause as LwsError).code)).toEqual(['ERR_TIMEOUT']);
  await expect(connect('ws://127.0.0.1:1')).rejects.toMatchObject({ code: 'ERR_CONNECT' });
  const manager = new SessionManager();
  await manager.create();
  await manager.stop();
});
