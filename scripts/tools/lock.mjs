import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, root } from './run.mjs';

const patience = 15 * 60_000;

/** Runs `body` while holding the build lock, so that two builds of one checkout never mix. */
export async function withBuildLock(body) {
  const file = join(root, 'build', 'lock');
  mkdirSync(dirname(file), { recursive: true });
  const start = Date.now();
  let told = false;
  while (!take(file)) {
    if (Date.now() - start > patience) throw new Failure(`another build has held ${file} for 15 minutes`);
    if (!told) console.log('waiting for another build of this checkout');
    told = true;
    await sleep(200);
  }
  try {
    return await body();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (holderIsGone(file)) rmSync(file, { force: true });
  return false;
}

function holderIsGone(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    if (!pid) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
