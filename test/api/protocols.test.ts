import { describe, expect, it } from 'vitest';
import { type Connection, protocol, type ServerOptions } from '../../lib/index.js';
import { queue } from '../helpers/queue.js';
import { handshakeText } from '../helpers/raw-client.js';
import { recorder, startServer } from '../helpers/server.js';

const offering = (...names: string[]) => ({ headers: { 'Sec-WebSocket-Protocol': names } });

/** What is chosen for an offer: the name in the 101 and on the connection, or the status of the refusal. */
async function choose(options: ServerOptions, offers: string[]): Promise<string | number> {
  const opened = queue<Connection>();
  const open = (connection: Connection) => opened.push(connection);
  const protocols = Object.fromEntries(
    Object.entries(options.protocols ?? {}).map(([name, one]) => [name, { ...one, open }]),
  );
  const { connect } = await startServer({ ...options, protocols, ...(options.message && { open }) });
  const client = await connect();
  client.write(handshakeText(offering(...offers)));
  const response = await client.response();
  if (response.status !== 101) return response.status;
  const connection = await opened.next();
  expect(response.header('sec-websocket-protocol') ?? '').toBe(connection.protocol);
  return connection.protocol;
}

const message = () => {};
const protocols = { chat: { message }, game: { message } };
const own = { message, protocols };
const named = { protocols };

describe('the subprotocol (RFC 6455 4.2.2)', () => {
  const cases: [what: string, options: ServerOptions, offers: string[], chosen: string | number][] = [
    ['the one offered', named, ['chat'], 'chat'],
    ['the first offered that is served', named, ['other, game, chat'], 'game'],
    ['the first of the client, not of the server', named, ['game', 'chat'], 'game'],
    ['among several fields', named, ['other', 'chat'], 'chat'],
    ['with space and empty elements', named, [' ,, other ,chat\t,'], 'chat'],
    ['none when nothing is offered and the server has handlers', own, [], ''],
    ['none when nothing offered is served and the server has handlers', own, ['other'], ''],
    ['refused when nothing is offered and only subprotocols are served', named, [], 400],
    ['refused when nothing offered is served and only subprotocols are', named, ['other'], 400],
    ['by exact case', named, ['CHAT'], 400],
    ['a name that JavaScript knows', named, ['constructor', 'toString', '__proto__'], 400],
    ['none when the server has no subprotocols', { message }, ['chat'], ''],
    ['as upgrade says', { ...own, upgrade: () => ({ protocol: 'chat' }) }, ['game', 'chat'], 'chat'],
    [
      'as upgrade says, also without handlers for it',
      { ...own, upgrade: () => ({ protocol: 'v2' }) },
      ['v2'],
      'v2',
    ],
    [
      'as upgrade says, on a server without protocols',
      { message, upgrade: () => ({ protocol: 'b' }) },
      ['a,b'],
      'b',
    ],
    [
      'refused when upgrade names what nobody serves',
      { ...named, upgrade: () => ({ protocol: 'v2' }) },
      ['v2'],
      400,
    ],
    [
      'not what upgrade invents',
      { ...own, upgrade: () => ({ protocol: 'game' }), error() {} },
      ['chat'],
      500,
    ],
  ];
  it.each(cases)('is %s', async (_, options, offers, chosen) => {
    expect(await choose(options, offers)).toBe(chosen);
  });

  it('is refused in words', async () => {
    const { connect } = await startServer(named);
    const client = await connect();
    client.write(handshakeText(offering('other')));
    expect((await client.response()).body).toBe('none of the offered subprotocols is served\n');
  });

  it('may be any token', async () => {
    const name = "!#$%&'*+-.^_`|~09AZaz";
    expect(await choose({ protocols: { [name]: { message } } }, [name])).toBe(name);
  });
});

describe('each subprotocol has its own', () => {
  it('handlers, beside those of the server', async () => {
    const records = { server: recorder(), chat: recorder(), game: recorder() };
    const { open } = await startServer({
      ...records.server.handlers,
      protocols: { chat: withoutError(records.chat), game: withoutError(records.game) },
    });
    for (const name of ['chat', 'game', 'server'] as const) {
      const client = await open(name === 'server' ? undefined : offering(name));
      client.text(`to ${name}`);
      expect(await records[name].messages.next()).toBe(`to ${name}`);
      client.end();
      await records[name].closed.next();
    }
    for (const record of Object.values(records))
      expect([record.opened.all.length, record.messages.all.length, record.closed.all.length]).toEqual([
        1, 1, 1,
      ]);
  });

  it('kinds of reading: whole messages, fragments, a loop, transient bytes', async () => {
    const got = queue<string>();
    const { open } = await startServer({
      protocols: {
        whole: { message: (_, data) => got.push(`whole ${data}`) },
        pieces: { fragment: (_, data, { final }) => got.push(`piece ${data}${final ? '.' : ''}`) },
        loop: {
          async open(connection) {
            for await (const data of connection) got.push(`loop ${data}`);
          },
        },
        lent: { binaryType: 'transient', message: (_, data) => got.push(`lent ${data}`) },
      },
    });
    for (const name of ['whole', 'pieces', 'loop', 'lent']) {
      const client = await open(offering(name));
      client.send({ opcode: 2, payload: 'x', fin: false });
      client.send({ opcode: 0, payload: 'y' });
    }
    expect((await Promise.all(Array.from({ length: 5 }, () => got.next()))).sort()).toEqual([
      'lent xy',
      'loop xy',
      'piece x',
      'piece y.',
      'whole xy',
    ]);
  });

  it('data, by what upgrade returns', async () => {
    const got = queue<string>();
    const { open } = await startServer({
      upgrade: ({ query }) => ({ data: { name: query.get('name') ?? '' } }),
      protocols: {
        chat: protocol<{ name: string; rooms?: string[] }>({
          open: (connection) => {
            connection.data.rooms = ['lobby'];
          },
          message: ({ data }) => got.push(`${data.name} in ${data.rooms}`),
        }),
        game: protocol<{ name: string }>({ message: ({ data }) => got.push(JSON.stringify(data)) }),
      },
    });
    for (const name of ['chat', 'game']) (await open({ ...offering(name), target: '/?name=Ann' })).text('x');
    expect([await got.next(), await got.next()].sort()).toEqual(['Ann in lobby', '{"name":"Ann"}']);
  });

  it('memory size', async () => {
    const sizes = queue<[string, number]>();
    const open = (connection: Connection) => sizes.push([connection.protocol, connection.memory.byteLength]);
    const running = await startServer({
      memory: 10,
      open,
      protocols: { chat: { open, memory: 100 }, game: { open } },
    });
    for (const name of ['', 'chat', 'game']) await running.open(name === '' ? undefined : offering(name));
    expect([await sizes.next(), await sizes.next(), await sizes.next()]).toEqual([
      ['', 10],
      ['chat', 100],
      ['game', 0],
    ]);
  });
});

/** The handlers a subprotocol may have: `error` belongs to the server. */
function withoutError({ handlers: { error: _, ...rest } }: ReturnType<typeof recorder>) {
  return rest;
}
