import { LwsError } from '../errors.js';
import { describe } from './ids.js';
import type { LoginSource } from './settings.js';

/** Whether a login is still valid. An answer that is none ends nothing: it is a mistake, not a logout. */
export async function isAlive(logins: LoginSource, loginId: string): Promise<boolean> {
  const answer: unknown = await logins.touch(loginId);
  if (typeof answer === 'boolean') return answer;
  const message = `logins.touch() has to resolve to a boolean, but answered ${describe(answer)}`;
  throw new LwsError('ERR_INVALID_ARGUMENT', message);
}
