import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer, type Server as NetServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createServer, LwsError, type ServerOptions } from '../../lib/index.js';
import { connectRaw } from '../helpers/raw-client.js';
import { recorder, startServer } from '../helpers/server.js';

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === '::1'));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lws-listen-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A server that is closed at the end, whether it listens or not. */
function made(options: ServerOptions = {}) {
  const server = createServer(options);
  onTestFinished(async () => {
    await server.close({ timeout: 0 });
  });
  return server;
}

async function listenError(options: ServerOptions): Promise<LwsError> {
  const error: unknown = await made(options)
    .listen()
    .catch((reason: unknown) => reason);
  if (error instanceof LwsError) return error;
  throw new Error(`Expected an LwsError but got ${String(error)}`);
}

function occupy(where: { port: number; host: string } | { path: string }): Promise<NetServer> {
  return new Promise((resolve) => {
    const other = createNetServer().listen(where, () => resolve(other));
    onTestFinished(() => void other.close());
  });
}

describe('listen()', () => {
  it('chooses a free port by default and tells it', async () => {
    const server = made();
    const { port, address } = await server.listen();
    expect(port).toBeGreaterThan(0);
    expect(address).toBe(hasIPv6 ? '::' : '0.0.0.0');
    expect(server.address).toEqual({ port, address });
  });

  it('takes the port it is told', async () => {
    const first = made({ host: '127.0.0.1' });
    const { port } = await first.listen();
    await first.close();
    expect(await made({ host: '127.0.0.1', port }).listen()).toEqual({ port, address: '127.0.0.1' });
  });

  it('is told no address before it and after close()', async () => {
    const server = made();
    expect(server.address).toBeUndefined();
    await server.listen();
    await server.close();
    expect(server.address).toBeUndefined();
  });

  it.each([
    ['while it listens', async () => {}, 'listening'],
    ['after close()', (server: { close(): Promise<unknown> }) => server.close(), 'closed'],
  ])('a second time fails %s', async (_, before, state) => {
    const server = made({ host: '127.0.0.1' });
    await server.listen();
    await before(server);
    await expect(server.listen()).rejects.toMatchObject({
      code: 'ERR_INVALID_STATE',
      message: `Expected a new server to listen but it is ${state}`,
    });
  });

  it('may be tried again after it failed', async () => {
    const other = await occupy({ port: 0, host: '127.0.0.1' });
    const { port } = other.address() as { port: number };
    const server = made({ host: '127.0.0.1', port });
    await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_LISTEN' });
    await new Promise((resolve) => other.close(resolve));
    expect(await server.listen()).toEqual({ port, address: '127.0.0.1' });
  });

  it('that is overtaken by close() fails', async () => {
    const server = made({ host: 'localhost' });
    const listening = server.listen();
    const closing = server.close();
    await expect(listening).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    await closing;
  });
});

describe('an address that cannot be had', () => {
  it('in use: ERR_LISTEN with the cause as of Node', async () => {
    const other = await occupy({ port: 0, host: '127.0.0.1' });
    const { port } = other.address() as { port: number };
    const error = await listenError({ host: '127.0.0.1', port });
    expect(error).toMatchObject({
      code: 'ERR_LISTEN',
      message: `listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
      cause: { code: 'EADDRINUSE', syscall: 'listen', address: '127.0.0.1', port },
    });
  });

  it('in use by another server of ours, without reusePort', async () => {
    const { port } = await startServer();
    expect((await listenError({ host: '127.0.0.1', port })).cause).toMatchObject({ code: 'EADDRINUSE' });
  });

  it.each([
    ['not of this machine', { host: '203.0.113.1' }, 'EADDRNOTAVAIL'],
    ['in a folder that does not exist', { socketPath: '/nonexistent/x.sock' }, 'ENOENT'],
    ['a path that is too long', { socketPath: `/tmp/${'x'.repeat(103)}` }, 'ENAMETOOLONG'],
    ['an abstract path that is too long', { socketPath: `@${'x'.repeat(108)}` }, 'ENAMETOOLONG'],
  ])('%s', async (_, options, code) => {
    expect(await listenError(options)).toMatchObject({
      code: 'ERR_LISTEN',
      cause: { code, syscall: 'listen' },
    });
  });

  it('a name nobody knows', async () => {
    const error = await listenError({ host: 'name.invalid' });
    expect(error).toMatchObject({
      code: 'ERR_LISTEN',
      message: 'The host name.invalid could not be resolved',
    });
    expect((error.cause as NodeJS.ErrnoException).syscall).toBe('getaddrinfo');
  });

  it('a file that is no socket, which stays', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'keep me');
    expect((await listenError({ socketPath: path })).cause).toMatchObject({
      code: 'EADDRINUSE',
      address: path,
    });
    expect(statSync(path).size).toBe(7);
  });

  it('a unix socket on which somebody accepts', async () => {
    const path = join(folder, 'taken.sock');
    await occupy({ path });
    expect((await listenError({ socketPath: path })).cause).toMatchObject({ code: 'EADDRINUSE' });
  });
});

/** An echo over the address tells that it works. */
async function expectEcho(where: Parameters<typeof connectRaw>[0]): Promise<void> {
  const client = await connectRaw(where);
  onTestFinished(() => client.destroy());
  await client.handshake();
  client.text('hello');
  expect((await client.frame()).payload.toString()).toBe('hello');
}

const echo: ServerOptions = { message: (connection, data) => void connection.send(data) };

describe('addresses', () => {
  it('IPv4', async () => {
    const { port } = await made({ ...echo, host: '127.0.0.1' }).listen();
    await expectEcho({ host: '127.0.0.1', port });
  });

  it('a name', async () => {
    const { port, address } = await made({ ...echo, host: 'localhost' }).listen();
    expect(['127.0.0.1', '::1']).toContain(address);
    await expectEcho({ host: address, port });
  });

  it.runIf(hasIPv6)('IPv6', async () => {
    const { port, address } = await made({ ...echo, host: '::1' }).listen();
    expect(address).toBe('::1');
    await expectEcho({ host: '::1', port });
    await expect(connectRaw({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it.runIf(hasIPv6)('both by default, and peers of IPv4 are told as such', async () => {
    const record = recorder();
    const { port } = await made({ ...record.handlers }).listen();
    for (const host of ['::1', '127.0.0.1']) {
      const client = await connectRaw({ host, port });
      onTestFinished(() => client.destroy());
      await client.handshake();
      const { request } = await record.opened.next();
      expect([request.remoteAddress, request.remotePort]).toEqual([host, client.socket.localPort]);
    }
  });

  it.runIf(hasIPv6)('only IPv6 with ipv6Only', async () => {
    const { port, address } = await made({ ...echo, ipv6Only: true }).listen();
    expect(address).toBe('::');
    await expectEcho({ host: '::1', port });
    await expect(connectRaw({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('a unix socket, whose file goes with the server', async () => {
    const path = join(folder, 'echo.sock');
    const record = recorder();
    const server = made({ ...record.handlers, message: echo.message, socketPath: path });
    expect(await server.listen()).toEqual({ port: 0, address: path });
    await expectEcho({ path });
    const { request } = await record.opened.next();
    expect([request.remoteAddress, request.remotePort]).toEqual(['', 0]);
    await server.close({ timeout: 0 });
    expect(() => statSync(path)).toThrow('ENOENT');
  });

  it('a unix socket file that a process left behind', async () => {
    const path = join(folder, 'stale.sock');
    const dead = createNetServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    /* out of the way while it closes, as if the process had been killed */
    renameSync(path, `${path}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    renameSync(`${path}.kept`, path);
    await made({ ...echo, socketPath: path }).listen();
    await expectEcho({ path });
  });

  it('an abstract unix socket, which has no file', async () => {
    /* as long as there may be: Node 20 connects to names of full length only */
    const name = `lws-test-${process.pid}-`.padEnd(107, 'x');
    const { address } = await made({ ...echo, socketPath: `@${name}` }).listen();
    expect(address).toBe(`@${name}`);
    await expectEcho({ path: `\0${name}` });
    expect((await listenError({ socketPath: `@${name}` })).cause).toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('several servers in one process', () => {
  it('keep their handlers and connections apart', async () => {
    const records = [recorder(), recorder(), recorder()];
    const running = await Promise.all(records.map((record) => startServer({ ...record.handlers })));
    for (const [i, { open }] of running.entries())
      for (let n = 0; n <= i; n++) (await open()).text(`to ${i}`);
    for (const [i, record] of records.entries()) {
      for (let n = 0; n <= i; n++) expect(await record.messages.next()).toBe(`to ${i}`);
      expect(running[i]!.server.connections.size).toBe(i + 1);
      expect(running[i]!.server.stats()).toMatchObject({ opened: i + 1, messagesReceived: i + 1 });
    }
    const foreign = [...running[1]!.server.connections][0]!;
    expect(running[0]!.server.connections.get(foreign.id)).toBeUndefined();
  });

  it('close one by one', async () => {
    const records = [recorder(), recorder()];
    const [first, second] = await Promise.all(records.map((record) => startServer({ ...record.handlers })));
    const client = await second!.open();
    await first!.server.close();
    client.text('still here');
    expect(await records[1]!.messages.next()).toBe('still here');
  });

  it('share a port with reusePort', async () => {
    const first = await startServer({ ...echo, reusePort: true });
    const second = await startServer({ ...echo, reusePort: true, port: first.port });
    expect(second.port).toBe(first.port);
    for (let i = 0; i < 20; i++) await expectEcho(first.port);
    expect(first.server.stats().opened + second.server.stats().opened).toBe(20);
  });
});
