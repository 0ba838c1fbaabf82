import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { targets } from '../../scripts/prebuild.mjs';

const root = join(import.meta.dirname, '..', '..');
const workflow = readFileSync(join(root, '.github', 'workflows', 'release.yml'), 'utf8');

describe('the release workflow', () => {
  it('builds each binary that a release needs', () => {
    const built = [...workflow.matchAll(/\{ target: ([\w-]+),/g)].map((match) => match[1]);
    expect(built).toEqual(targets);
  });

  it('takes every action by the hash of its commit', () => {
    const actions = [...workflow.matchAll(/uses: (\S+)/g)].map((match) => match[1]);
    expect(actions.length).toBeGreaterThan(3);
    expect(actions.filter((action) => !/@[0-9a-f]{40}$/.test(action!))).toEqual([]);
  });

  it('publishes only a tag, and only when every binary is there', () => {
    const publish = workflow.slice(workflow.indexOf('\n  publish:'));
    expect(publish).toMatch(/if: startsWith\(github\.ref, 'refs\/tags\/v'\)\s+needs: binary/);
    expect(publish.indexOf('prebuild.mjs --complete')).toBeGreaterThan(0);
    expect(publish.indexOf('prebuild.mjs --complete')).toBeLessThan(
      publish.indexOf('npm publish --provenance'),
    );
  });

  it('refuses a tag of another version than the package', () => {
    const args = [join(root, 'scripts', 'prebuild.mjs'), '--complete', '99.0.0'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stderr).toMatch(/package\.json is of version \S+, not of 99\.0\.0/);
    expect(status).toBe(1);
  });
});
