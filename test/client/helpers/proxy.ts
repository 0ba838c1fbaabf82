import { createConnection, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { queue } from '../../helpers/queue.js';

/** A proxy that tunnels, when `established` has said so, or answers what it is told to. */
export async function startProxy(answer?: string, established?: (socket: Socket) => Promise<void>) {
  const asked = queue<string>();
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      const head = bytes.toString('latin1');
      asked.push(head);
      if (answer !== undefined) return void socket.write(answer);
      const [, host, port] = /^CONNECT \[?([^\s\]]+)\]?:(\d+) HTTP\/1\.1\r\n/.exec(head)!;
      const through = createConnection({ host: host!, port: Number(port) }, async () => {
        if (established !== undefined) await established(socket);
        else socket.write('HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n');
        socket.pipe(through).pipe(socket);
      });
      sockets.push(through);
      through.on('error', () => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { asked, sockets, at: `127.0.0.1:${(server.address() as { port: number }).port}` };
}
