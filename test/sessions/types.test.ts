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
