// Sends each line that is typed or piped in, and prints what comes back: client.mjs [url]
import { createInterface } from 'node:readline';
import { connect } from 'libwebsockets';

const url = process.argv[2] ?? 'ws://127.0.0.1:8080/';
let awaited = 0;
let ended = false;

// A pipe may be faster than the network: it waits while the socket is full.
const connection = await connect(url, { writable: () => void lines.resume() }).catch((error) => {
  console.error(error.message);
  process.exit(1);
});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  awaited += 1;
  if (connection.send(line) === 'buffered') lines.pause();
});
lines.on('close', () => {
  ended = true;
  closeWhenDone();
});

/** Nothing is delivered behind a `close()` of ours, so the last line has to be back before. */
function closeWhenDone() {
  if (ended && awaited === 0) connection.close();
}

for await (const data of connection) {
  console.log(String(data));
  awaited -= 1;
  closeWhenDone();
}
const { code, reason } = await connection.closed;
console.log(`closed with ${code} ${reason}`.trim());
lines.close();
