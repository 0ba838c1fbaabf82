import type { SessionRecord, SessionStore } from '../sessions/store.js';
import { type Column, formatBytes, formatDuration, formatTable } from './table.js';

/** Sessions that share a name. */
interface Group {
  readonly name: string;
  sessions: number;
  active: number;
  lastActive: number;
}

/** What one look at the store found. */
export interface Overview {
  readonly sessions: readonly SessionRecord[];
  readonly users: readonly Group[];
  readonly nodes: readonly Group[];
  /** The store's time: the latest that one of its records tells. */
  readonly now: number;
  /** There are more than were read. */
  readonly isPartial: boolean;
}

/** What is printed of it. */
export interface Shown {
  readonly what: 'all' | 'sessions' | 'users' | 'nodes';
  /** Rows per table. */
  readonly limit: number;
  /** Whole session ids, which are secrets. */
  readonly ids: boolean;
}

/** Reads at most `max` sessions, page by page; the store goes on working meanwhile. */
export async function readOverview(store: SessionStore, max: number): Promise<Overview> {
  const found = new Map<string, SessionRecord>();
  let cursor: string | undefined;
  do {
    const page = await store.list(cursor, 500);
    for (const record of page.records) found.set(record.id, record);
    ({ cursor } = page);
  } while (cursor !== undefined && found.size < max);
  const sessions = [...found.values()].sort((a, b) => b.lastActive - a.lastActive);
  return {
    sessions,
    users: groupBy(sessions, ({ userId }) => userId),
    nodes: groupBy(sessions, ({ owner }) => owner?.nodeId),
    now: Math.max(0, ...sessions.slice(0, 1).map(({ lastActive }) => lastActive), Date.now()),
    isPartial: cursor !== undefined,
  };
}

function groupBy(
  sessions: readonly SessionRecord[],
  nameOf: (record: SessionRecord) => string | undefined,
): Group[] {
  const groups = new Map<string, Group>();
  for (const record of sessions) {
    const name = nameOf(record);
    if (name === undefined) continue;
    const group = groups.get(name) ?? { name, sessions: 0, active: 0, lastActive: 0 };
    groups.set(name, group);
    group.sessions++;
    if (record.status === 'active') group.active++;
    group.lastActive = Math.max(group.lastActive, record.lastActive);
  }
  return [...groups.values()].sort((a, b) => b.sessions - a.sessions || (a.name < b.name ? -1 : 1));
}

export function formatOverview(overview: Overview, shown: Shown): string {
  const { sessions, users, nodes, now, isPartial } = overview;
  const active = sessions.filter(({ status }) => status === 'active').length;
  const more = isPartial ? ' (there are more; --max reads more)' : '';
  const parts = [
    `${count(sessions.length, 'session')}${more}, ${active} active, ${count(users.length, 'user')}, ${count(nodes.length, 'node')}`,
  ];
  const add = <T>(title: Shown['what'], columns: readonly Column<T>[], rows: readonly T[]) => {
    if (shown.what !== 'all' && shown.what !== title) return;
    const hidden = rows.length > shown.limit ? `\n… ${rows.length - shown.limit} more` : '';
    if (rows.length > 0) parts.push(`${title}\n${formatTable(columns, rows.slice(0, shown.limit))}${hidden}`);
  };
  add('sessions', sessionColumns(now, shown.ids), sessions);
  add('users', groupColumns('user', now), users);
  add('nodes', groupColumns('node', now), nodes);
  return `${parts.join('\n\n')}\n`;
}

/** For other programs: one object, ids left out unless they are asked for. */
export function overviewAsJson(
  { sessions, users, nodes, isPartial }: Overview,
  { ids, limit }: Shown,
): string {
  const rows = sessions.slice(0, limit).map(({ attributes, extensions, id, ...rest }) => {
    return { ...(ids && { id }), ...rest, bytes: attributes.length + extensions.length };
  });
  return `${JSON.stringify({ count: sessions.length, isPartial, sessions: rows, users, nodes }, null, 2)}\n`;
}

function sessionColumns(now: number, ids: boolean): Column<SessionRecord>[] {
  return [
    { heading: 'session', text: ({ id }) => (ids ? id : `${id.slice(0, 8)}…`) },
    { heading: 'user', text: ({ userId }) => userId ?? '–' },
    { heading: 'status', text: ({ status }) => status },
    { heading: 'node', text: ({ owner }) => owner?.nodeId ?? '–' },
    { heading: 'age', text: ({ createdAt }) => formatDuration(now - createdAt), right: true },
    { heading: 'idle', text: ({ lastActive }) => formatDuration(now - lastActive), right: true },
    { heading: 'expires in', text: ({ expiresAt }) => formatDuration(expiresAt - now), right: true },
    {
      heading: 'values',
      text: (record) => formatBytes(record.attributes.length + record.extensions.length),
      right: true,
    },
    { heading: 'attaches', text: ({ generation }) => `${generation}`, right: true },
  ];
}

function groupColumns(heading: string, now: number): Column<Group>[] {
  return [
    { heading, text: ({ name }) => name },
    { heading: 'sessions', text: ({ sessions }) => `${sessions}`, right: true },
    { heading: 'active', text: ({ active }) => `${active}`, right: true },
    { heading: 'idle', text: ({ lastActive }) => formatDuration(now - lastActive), right: true },
  ];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
