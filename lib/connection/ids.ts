import { randomBytes } from 'node:crypto';

/** Random per load, so that ids of this process never meet those of an earlier one. */
const boot = randomBytes(8).toString('hex');

/** Slot and generation never pair twice in one process, the boot id never in two. */
export function connectionId(slot: number, generation: number): string {
  return `${boot}-c${slot.toString(36)}-${generation.toString(36)}`;
}

export function transportId(slot: number, generation: number): string {
  return `${boot}-t${slot.toString(36)}-${generation.toString(36)}`;
}

/** The handle in a connection id of this process, or undefined. */
export function readConnectionId(id: string): { slot: number; generation: number } | undefined {
  const match = /^([0-9a-f]{16})-c([0-9a-z]+)-([0-9a-z]+)$/.exec(id);
  if (match === null || match[1] !== boot) return undefined;
  return { slot: Number.parseInt(match[2]!, 36), generation: Number.parseInt(match[3]!, 36) };
}
