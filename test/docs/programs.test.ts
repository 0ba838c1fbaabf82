import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, type RedisServer, startRedis } from '../sessions/helpers/redis-server.js';
import { certificates } from '../tls/helpers/certificates.js';
import { compile, folder, type Program, programs, typeErrors, writePrograms } from './helpers/programs.js';

const run = promisify(execFile);
const runner = fileURLToPath(new URL('./fixtures/run-program.mjs', import.meta.url));
const home = join(folder, 'home');
const all = programs();
writePrograms(all);

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
  /* what the programs of the pages find where they are started */
  mkdirSync(join(home, 'public'), { recursive: true });
  const { cert, key } = certificates().authority('localhost');
  const files = { 'cert.pem': cert, 'key.pem': key, 'video.mp4': 'moving', 'public/index.html': 'page' };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(home, name), content);
});
afterAll(() => redis?.stop());

async function outputOf({ file, source }: Program): Promise<string> {
  const port = await freePort();
  const script = file.replace(/\.ts$/, '.mjs');
  const local = source
    .replace(/\b(8080|8443|9001)\b/g, String(port))
    .replaceAll('redis://127.0.0.1:6379', redis.url);
  writeFileSync(script, compile(local));
  const serves = /\blisten\(|new WebSocketServer\(\{ port/.test(source);
  const scheme = !serves ? 'none' : source.includes('8443') ? 'wss' : 'ws';
  const { stdout } = await run(process.execPath, [runner, script, String(port), scheme], {
    cwd: home,
    timeout: 25_000,
    killSignal: 'SIGKILL',
  });
  return stdout;
}

describe('the code of README.md and docs/', () => {
  it('has no type error, as TypeScript and in strict mode', () => {
    expect(typeErrors(all)).toEqual([]);
  }, 120_000);

  describe.concurrent('runs without an error, and prints what it says', () => {
    it.each(all.filter(({ notRun }) => !notRun).map((program) => [program.place, program] as const))(
      '%s',
      async (_, program) => {
        const output = await outputOf(program);
        for (const line of program.prints) expect(output).toContain(line);
      },
      30_000,
    );
  });
});
