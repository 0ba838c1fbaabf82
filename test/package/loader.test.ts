import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { version } from '../../lib/shared/version.js';
import manifest from '../../package.json' with { type: 'json' };
import { Layout, ofVersion, places, working } from './helpers/layout.js';

const broken = 'this is no binary';

describe('the loader', () => {
  it.each<[string, Record<string, Buffer | string>]>([
    ['takes the prebuilt binary of the platform', { [places.prebuilt]: working }],
    ['prefers a local build', { [places.local]: working, [places.prebuilt]: broken }],
    [
      'goes on to the prebuilt one when the local build is broken',
      { [places.local]: broken, [places.prebuilt]: working },
    ],
  ])('%s', (_, files) => {
    using layout = new Layout(files);
    expect(layout.load()).toBe('listening');
  });

  it('takes the file that LIBWEBSOCKETS_BINARY names, relative to the working folder, before any other', () => {
    using layout = new Layout({ 'other.node': working, [places.local]: broken });
    expect(layout.load({ env: { LIBWEBSOCKETS_BINARY: 'other.node' } })).toBe('listening');
  });

  it('tries nothing else when LIBWEBSOCKETS_BINARY does not load', () => {
    using layout = new Layout({ [places.prebuilt]: working });
    const said = layout.load({ env: { LIBWEBSOCKETS_BINARY: '/nowhere.node' } });
    expect(said).toMatch(/^ERR_LOAD: /);
    expect(said).toContain('/nowhere.node: not there');
    expect(said).not.toContain('prebuilds/');
  });

  it('never runs a script that is given as the binary', () => {
    using layout = new Layout({ 'evil.js': 'console.log("ran")' });
    const said = layout.load({ env: { LIBWEBSOCKETS_BINARY: 'evil.js' } });
    expect(said).toMatch(/^ERR_LOAD: /);
    expect(said).not.toContain('ran');
  });

  it('tells every place that it tried and what was wrong there', () => {
    using layout = new Layout({ [places.prebuilt]: broken });
    const said = layout.load();
    expect(said).toContain(`${join(layout.folder, places.local)}: not there`);
    expect(said).toContain(`${join(layout.folder, places.prebuilt)}: `);
    expect(said).toMatch(/damaged or belongs to another platform/);
  });

  it('lists the prebuilt binaries that are there when the platform has none', () => {
    using layout = new Layout({ 'prebuilds/plan9-mips.node': broken });
    expect(layout.load()).toMatch(/No prebuilt binary exists for \S+; there are plan9-mips\./);
  });

  it('refuses a binary of another version of the package', () => {
    using layout = new Layout({ [places.prebuilt]: ofVersion('9.9.9') });
    expect(layout.load()).toContain(`is of version 9.9.9, this package of ${version}`);
  });

  it.each<[string, { args?: string[]; before?: string }]>([
    ['may be changed by nobody', { args: ['--frozen-intrinsics', '--no-warnings'] }],
    ['is told in places of the sources', { args: ['--enable-source-maps'] }],
    ['has no frames', { before: 'Error.stackTraceLimit = 0;' }],
    ['is made by the user', { before: "Error.prepareStackTrace = () => 'mine';" }],
  ])('finds its folder where the stack of an error %s', (_, options) => {
    using layout = new Layout({ [places.prebuilt]: working });
    expect(layout.load(options)).toBe('listening');
  });

  it('leaves the settings of Error as they were', () => {
    using layout = new Layout({ [places.prebuilt]: working });
    const before = `const mine = (Error.prepareStackTrace = () => 'mine');
      Error.stackTraceLimit = 3;
      process.on('exit', () => console.log(Error.prepareStackTrace === mine, Error.stackTraceLimit));`;
    expect(layout.load({ before })).toBe('listening\ntrue 3');
  });

  it('explains itself where addons are disabled', () => {
    using layout = new Layout({ [places.prebuilt]: working });
    expect(layout.load({ args: ['--no-addons'] })).toMatch(/may not load addons: leave out --no-addons/);
  });

  it.each(['bun', 'deno', 'electron'])('refuses %s, which lacks what it shares with Node', (name) => {
    using layout = new Layout({ [places.prebuilt]: working });
    const before = `Object.defineProperty(process, 'versions', { value: { ...process.versions, ${name}: '1.0.0' } });`;
    expect(layout.load({ before })).toMatch(/^ERR_LOAD: libwebsockets needs Node\.js: \w+ does not offer/);
  });

  it('leaves the setting of process.report as it was', () => {
    using layout = new Layout({ [places.prebuilt]: working });
    const before = `process.report.excludeNetwork = false;
      process.on('exit', () => console.log(process.report.excludeNetwork));`;
    expect(layout.load({ before })).toBe('listening\nfalse');
  });

  it('is of the version that package.json states', () => {
    expect(version).toBe(manifest.version);
  });
});
