// Sends back what it is told. README.md says what to expect.
import { createServer } from 'libwebsockets';

const server = createServer({
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8080),
  message: (connection, data) => void connection.send(data),
});

const { address, port } = await server.listen();
console.log(`The echo is at ws://${address}:${port}/ (Ctrl-C ends it)`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close({ timeout: 2000 }));
