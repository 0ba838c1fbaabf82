import type { Server as HttpServer } from 'node:http';
import type { Http2SecureServer, Http2Server } from 'node:http2';
import type { Server as HttpsServer } from 'node:https';

/** A server of Node's `http`, `https` or `http2`, also one that Express or Fastify made. */
export type NodeServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer;
