// Sends each line that is typed, and prints what comes back: client.mjs [url]
import { createInterface } from 'node:readline';
import { connect } from 'libwebsockets';

const url = process.argv[2] ?? 'ws://127.0.0.1:8080/';
const connection = await connect(url).catch((error) => {
  console.error(error.message);
  process.exit(1);
});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => connection.send(line));
lines.on('close', () => connection.close());

for await (const data of connection) console.log(String(data));
const { code, reason } = await connection.closed;
console.log(`closed with ${code} ${reason}`.trim());
lines.close();
