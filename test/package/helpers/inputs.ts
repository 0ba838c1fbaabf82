import { readFileSync } from 'node:fs';

/** What scripts/test-package.mjs prepared: paths of programs and of the packed package. */
interface Inputs {
  tarball: string;
  /** The binaries that this machine built, as `linux-x64`. */
  targets: string[];
  /** Node executables by version, oldest first. */
  nodes: Record<string, string>;
  /** Programs for Node by the manager's name. */
  managers: Record<string, string>;
  /** Folders of bundlers and their plugins by name. */
  bundlers: Record<string, string>;
  /** Node executables that are run by QEMU, by architecture; empty where there is none. */
  emulated: { arm64?: string; x64?: string };
}

const file = process.env.LWS_PACKAGE_INPUTS;
if (!file) throw new Error('These tests are run by: npm run test:package');

export const inputs: Inputs = JSON.parse(readFileSync(file, 'utf8'));

/** The Node that the package managers run on. */
export const managersNode = inputs.nodes[Object.keys(inputs.nodes).at(-1)!]!;
