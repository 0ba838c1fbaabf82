import { createClient } from 'redis';

/** Everything an application keeps in Redis, by key. */
export interface Keyspace {
  readonly keys: readonly string[];
  /** What contradicts something else in it: an index that lies, a record that no index knows, a key without end. */
  readonly contradictions: readonly string[];
}

interface Partition {
  /** What the sweep is to finish. */
  repairs: ReadonlySet<string>;
  /** What is on its way to another store: in no index. */
  underWay: ReadonlySet<string>;
  readonly records: Map<string, Record<string, string>>;
  readonly indexes: Map<string, string[]>;
  readonly connections: Map<string, string>;
  expiries: Map<string, number>;
}

/** Reads all keys of a prefix and compares records and indexes with each other, both ways. */
export async function audit(url: string, prefix: string): Promise<Keyspace> {
  const client = await createClient({ url }).connect();
  const found: string[] = [];
  for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) found.push(...keys);
  const wrong: string[] = [];
  const partitions = new Map<string, Partition>();
  for (const key of found) {
    const [, tag = '', name = ''] = /\{(.*?)\}:(.*)$/s.exec(key) ?? [];
    const partition = partitions.get(tag) ?? empty();
    partitions.set(tag, partition);
    if ((await client.pTTL(key)) === -1) wrong.push(`${key} has no end`);
    if (name.startsWith('s:')) partition.records.set(name.slice(2), { ...(await client.hGetAll(key)) });
    else if (name.startsWith('c:')) partition.connections.set(name.slice(2), (await client.get(key)) ?? '');
    else if (/^[ulng]:/.test(name)) partition.indexes.set(name, await client.zRange(key, 0, -1));
    else if (name === 'exp') {
      const members = await client.zRangeWithScores(key, 0, -1);
      partition.expiries = new Map(members.map(({ value, score }) => [value, score]));
    } else if (name === 'rep') partition.repairs = new Set(await client.zRange(key, 0, -1));
    else if (name === 'mov') partition.underWay = new Set(await client.zRange(key, 0, -1));
    else if (!/^[rtm]:/.test(name)) wrong.push(`${key} is unknown`);
  }
  for (const [tag, partition] of partitions) wrong.push(...contradictionsOf(tag, partition));
  client.destroy();
  return { keys: found, contradictions: wrong };
}

function empty(): Partition {
  return {
    repairs: new Set(),
    underWay: new Set(),
    records: new Map(),
    indexes: new Map(),
    connections: new Map(),
    expiries: new Map(),
  };
}

function contradictionsOf(
  tag: string,
  { repairs, underWay, records, indexes, connections, expiries }: Partition,
): string[] {
  const wrong: string[] = [];
  const expected = new Map<string, string[]>();
  const expect = (name: string, id: string) => expected.set(name, [...(expected.get(name) ?? []), id]);
  for (const id of underWay)
    if (records.get(id)?.mov === undefined) wrong.push(`${tag}: ${id} is under way without a record`);
  for (const [id, record] of records) {
    if (record.mov !== undefined) {
      if (!underWay.has(id)) wrong.push(`${tag}: ${id} departed and is not under way`);
      if (expiries.has(id)) wrong.push(`${tag}: ${id} departed and is there`);
      continue;
    }
    // One that a limit evicted is in no index that counts, and is buried.
    const isEvicted = !expiries.has(id) && repairs.has(`${id} ${id}`);
    if (!isEvicted && expiries.get(id) !== Number(record.exp))
      wrong.push(`${tag}: the expiry of ${id} is not in the index`);
    if (record.uid && !isEvicted) expect(`u:${record.uid}`, id);
    if (record.lid) expect(`l:${record.lid}`, id);
    if (record.grp) expect(`g:${record.grp}`, id);
    if (record.node) expect(`n:${record.node}`, id);
    if ((record.conn ?? '') !== '' && connections.get(record.conn ?? '') !== id) {
      wrong.push(`${tag}: the connection ${record.conn} does not lead to ${id}`);
    }
  }
  for (const id of expiries.keys())
    if (!records.has(id)) wrong.push(`${tag}: an expiry without session ${id}`);
  for (const [connection, id] of connections) {
    if (records.get(id)?.conn !== connection)
      wrong.push(`${tag}: the connection ${connection} leads to ${id}`);
  }
  for (const name of new Set([...expected.keys(), ...indexes.keys()])) {
    const [is, should] = [indexes.get(name) ?? [], expected.get(name) ?? []];
    if (`${[...is].sort()}` !== `${[...should].sort()}`)
      wrong.push(`${tag}: ${name} has ${is}, not ${should}`);
  }
  return wrong;
}
