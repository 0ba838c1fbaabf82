import type { ServerHttp2Session } from 'node:http2';
import { onTestFinished } from 'vitest';
import { createServer, type NodeServer, type Server, type ServerOptions } from '../../../lib/index.js';
import { type Recorder, recorder } from '../../helpers/server.js';
import { type Kind, nodeServer } from './node-servers.js';

export interface Attached {
  server: Server;
  node: NodeServer;
  port: number;
  record: Recorder;
  /** Ends the HTTP/2 sessions that are left; connections of HTTP/1.1 end with their upgrade. */
  endSessions(): void;
}

/** A server of ours on a server of Node; both are closed when the test is over. */
export async function attached(kind: Kind, options: ServerOptions = {}): Promise<Attached> {
  const { server: node, port } = await nodeServer(kind);
  const record = recorder();
  const server = createServer({ ...record.handlers, ...options });
  onTestFinished(() => server.close({ timeout: 0 }).then(() => {}));
  server.attach(node);
  const sessions = new Set<ServerHttp2Session>();
  node.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  const endSessions = () => {
    for (const session of sessions) session.destroy();
  };
  return { server, node, port, record, endSessions };
}
