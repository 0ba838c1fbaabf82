import { describe, expectTypeOf, test } from 'vitest';
import { type Connection, createServer, type ServerOptions } from '../../lib/index.js';
import { type Session, SessionManager, type SessionSocket } from '../../lib/sessions/index.js';

interface Cart {
  items: string[];
  since?: Date;
}

describe('types', () => {
  test('connection.data comes from what upgrade returns, attributes from the manager', async () => {
    const sessions = new SessionManager<Cart>();
    const options = sessions.serve({
      upgrade: (request) => ({ data: { name: request.query.get('name') ?? 'anon' } }),
      identify(connection) {
        expectTypeOf(connection.data).toEqualTypeOf<{ name: string }>();
        return { userId: connection.data.name, attributes: { items: [] } };
      },
      open(connection, session) {
        expectTypeOf(connection.data.name).toBeString();
        expectTypeOf(session.attributes.items).toEqualTypeOf<string[]>();
      },
      async message(connection, data, session) {
        expectTypeOf(data).toEqualTypeOf<string | Buffer>();
        const { items } = await session.update((cart) => {
          expectTypeOf(cart).toEqualTypeOf<Cart>();
          cart.items.push(String(data));
        });
        expectTypeOf(items).toEqualTypeOf<string[]>();
        connection.send('ok');
      },
      close(_connection, info, session) {
        expectTypeOf(info.code).toBeNumber();
        expectTypeOf(session).toEqualTypeOf<Session<Cart> | undefined>();
      },
    });
    expectTypeOf(options).toExtend<ServerOptions<{ name: string }>>();
    expectTypeOf(createServer(options).connections.get('x')?.data).toEqualTypeOf<
      { name: string } | undefined
    >();
    await sessions.stop();
  });

  test('whoever names the type of connection.data has an upgrade that returns it', () => {
    const sessions = {} as SessionManager;
    const open = ({ data }: Connection<{ name: string }>) => data.name;
    const refused = [
      // @ts-expect-error nothing gives data
      () => sessions.serve({ open }),
      // @ts-expect-error a subprotocol needs some
      () => sessions.serve({ protocols: { chat: { open } } }),
      () =>
        sessions.serve({
          // @ts-expect-error no name
          upgrade: () => ({ data: { nick: 'Ann' } }),
          open,
        }),
    ];
    const taken = () =>
      sessions.serve({ upgrade: () => ({ data: { name: 'Ann' } }), open, protocols: { chat: { open } } });
    expectTypeOf(refused[0]).not.toBeAny();
    expectTypeOf(taken).returns.toExtend<ServerOptions<{ name: string }>>();
  });

  test('what a new session begins with is what its attributes are', () => {
    const sessions = {} as SessionManager<Cart>;
    const socket = {} as SessionSocket;
    const refused = [
      // @ts-expect-error the items are missing
      () => sessions.attach(socket),
      // @ts-expect-error the items are missing
      () => sessions.attach(socket, { userId: 'ann' }),
      // @ts-expect-error the items are no list
      () => sessions.create({ attributes: { items: 'one' } }),
      // @ts-expect-error nothing identifies, so a session would begin without items
      () => sessions.serve({ open() {} }),
      // @ts-expect-error there is no such member
      () => sessions.attach(socket, { user: 'ann', attributes: { items: [] } }),
      () =>
        sessions.serve({
          // @ts-expect-error the items are missing
          identify: () => ({ attributes: {} }),
        }),
    ];
    const taken = [
      () => sessions.attach(socket, { attributes: { items: [], since: new Date() } }),
      () => sessions.serve({ identify: () => ({ sessionId: 'x', attributes: { items: [] } }) }),
      () => (({}) as SessionManager<{ n?: number }>).attach(socket),
      () => (({}) as SessionManager).attach(socket, { attributes: {} as Cart }),
    ];
    expectTypeOf(refused[0]).not.toBeAny();
    expectTypeOf(taken[0]).not.toBeAny();
  });

  test('a Connection is a SessionSocket', () => {
    expectTypeOf<Connection<{ a: 1 }>>().toExtend<SessionSocket>();
  });

  test('events carry the session with its attributes', async () => {
    const sessions = new SessionManager<Cart>();
    sessions.on('expire', (session) => expectTypeOf(session).toEqualTypeOf<Session<Cart>>());
    sessions.on('end', (_session, reason) => {
      expectTypeOf(reason).toEqualTypeOf<'ended' | 'userEnded' | 'loginEnded' | 'evicted'>();
    });
    expectTypeOf(await sessions.get('x')).toEqualTypeOf<Session<Cart> | undefined>();
    await sessions.stop();
  });
});
