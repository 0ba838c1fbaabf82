// The server of one thread.
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { createServer } from 'libwebsockets';

const { host, port } = workerData;

const server = createServer({
  host,
  port,
  reusePort: true, // the kernel gives each new client to one of the threads
  request: () => Response.json({ thread: threadId, ...server.stats() }),
  open: (connection) => void connection.send(`thread ${threadId}`),
  message(connection, data) {
    if (data === 'crash' && process.env.CRASH) setImmediate(() => process.exit(1)); // ends the thread alone
    connection.send(data);
  },
});

parentPort.postMessage((await server.listen()).port);

parentPort.once('message', async () => {
  await server.close({ timeout: 2000 });
  parentPort.close();
});
