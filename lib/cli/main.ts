#!/usr/bin/env node
import { AbortController, process } from '../shared/ambient.js';
import { run } from './run.js';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
void run(process.argv.slice(2), process.stdout, process.stderr, stop.signal).then((code) => {
  process.exitCode = code;
});
