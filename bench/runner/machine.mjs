import { execFileSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { project } from './prepare.mjs';

function git(...words) {
  try {
    return execFileSync('git', words, {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined; // not a checkout
  }
}

/** What a reader needs to place the figures, and nothing that names the machine. */
export function describeMachine() {
  const model = cpus()[0]?.model.trim() || 'unknown';
  return {
    cpu: model,
    cores: cpus().length,
    kernel: /^[\d.]+/.exec(release())?.[0] ?? 'unknown',
    arch: process.arch,
  };
}

export function describeCommit() {
  const commit = git('rev-parse', 'HEAD');
  return commit
    ? { commit, changed: git('status', '--porcelain', '--', 'lib', 'native', 'patches', 'bench') !== '' }
    : {};
}

/** A file name for results: day, processor, number of cores. */
export function resultName(date, { cpu, cores }) {
  const word = cpu
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return `${date.toISOString().slice(0, 10)}-${word}-${cores}-cores`;
}
