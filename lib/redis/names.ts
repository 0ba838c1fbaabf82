/** Names of keys, as the Lua source knows them, without what is in front of all of a partition. */

export const expiries = 'exp';
/** What the sweep finishes for a process that died. */
export const repairs = 'rep';
/** Sessions that are on their way to another store. */
export const underWay = 'mov';

export function sessionName(id: string): string {
  return `s:${id}`;
}

export function connectionName(key: string): string {
  return `c:${key}`;
}

/** Of an owner, where there is one. */
export function ownerNames(nodeId: string, connectionKey: string): string[] {
  return connectionKey === '' ? [] : [`n:${nodeId}`, connectionName(connectionKey)];
}

interface Whose {
  readonly user?: string | undefined;
  readonly login?: string | undefined;
  readonly group?: string | undefined;
  /** A login that may have been ended. */
  readonly blocked?: string | undefined;
}

/** Of what there is. */
export function names({ user = '', login = '', group = '', blocked = '' }: Whose): string[] {
  const found: string[] = [];
  if (user !== '') found.push(`u:${user}`);
  if (login !== '') found.push(`l:${login}`);
  if (group !== '') found.push(`g:${group}`);
  if (blocked !== '') found.push(`t:${blocked}`);
  return found;
}
