// Our client: opens its connections to the load generator and sends every message back.
import { readFileSync } from 'node:fs';
import { connect } from 'libwebsockets';
import { announceClient, readOptions } from '../servers/common.mjs';

const options = readOptions();
const message = (connection, data) => {
  connection.send(data);
};

for (let i = 0; i < options.connections; i++) connect(`ws://127.0.0.1:${options.port}`, { message });
announceClient(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version);
