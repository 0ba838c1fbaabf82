// No server to compare speed with: what the SSL of a connection holds in this Node, and nothing else.

import { compile } from '../runner/prepare.mjs';
import { readOptions } from './common.mjs';

const options = readOptions();
const addon = { exports: {} };
process.dlopen(addon, await compile('bare'));
addon.exports(options.tls);
process.exit(0);
