// A notebook: each line is kept in the session. client.mjs [url] [session]
import { createInterface } from 'node:readline';
import { reconnect } from 'libwebsockets';

const [, , url = 'ws://127.0.0.1:8080/', given = ''] = process.argv;
let session = given;

/** Asked before each try: after a loss we go on with the session that we have by then. */
const address = () => `${url}?session=${encodeURIComponent(session)}`;

function show(text) {
  const said = JSON.parse(text);
  if (said.session !== undefined) {
    session = said.session;
    console.log(`${said.resumed ? 'again in' : 'a new'} session ${session}`);
  }
  console.log(said.notes.map((note, i) => `${i + 1}. ${note}`).join('\n') || 'no notes yet');
}

const link = reconnect(address, {
  message: (_, data) => show(String(data)),
  close: (_, { code, reason }) => console.log(`closed with ${code} ${reason}`.trim()),
  retry: ({ delay }) => console.log(`trying again in ${delay} ms`),
});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => link.connection?.send(line) ?? console.log('not connected; not kept'));
lines.on('close', () => link.close());
await link.finished;
lines.close();
