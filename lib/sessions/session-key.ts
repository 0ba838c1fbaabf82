import { createHmac, timingSafeEqual } from 'node:crypto';
import { Buffer } from '../shared/ambient.js';
import { kindOf, unexpected } from '../shared/checks.js';
import { isUint8Array } from '../shared/realms.js';
import { maxIdLength } from './store.js';

/** Signs ids that clients keep, and knows its own again without asking a store. */
export interface SessionKey {
  /** The id with its signature behind it: what a cookie or a client is given. At most 44 characters longer. */
  sign(id: string): string;
  /** The id in what a client shows; undefined where no secret of this key signed it. Never throws for what came. */
  open(signed: unknown): string | undefined;
}

const MAC_LENGTH = 43; /* 256 bits as base64url */
const SECRET_MIN = 16;

function readSecret(secret: unknown, at: number): Buffer {
  const bytes =
    typeof secret === 'string' ? Buffer.from(secret) : isUint8Array(secret) ? Buffer.from(secret) : undefined;
  if (bytes === undefined || bytes.length < SECRET_MIN)
    throw unexpected(
      `a string or bytes, at least ${SECRET_MIN} bytes`,
      `the secret ${at} of sessionKey()`,
      bytes === undefined ? kindOf(secret) : `${bytes.length} bytes`,
    );
  return bytes;
}

/**
 * A key that signs session ids (HMAC-SHA256), so that a server tells clients that come back from strangers before it asks
 * anybody: for `admission.returning` of a server, and so that made-up ids never reach the store.
 *
 * A signature says that this id was given out, not that its session lives or to whom it belongs: whoever has it, has the id.
 *
 * @param secrets One, or several: the first signs, all are known, as during a change. Each has at least 16 bytes.
 * @throws LwsError ERR_INVALID_ARGUMENT for anything else; nothing of a secret is shown.
 */
export function sessionKey(secrets: string | Uint8Array | readonly (string | Uint8Array)[]): SessionKey {
  const list = Array.isArray(secrets) ? (secrets as unknown[]) : [secrets];
  if (list.length === 0) throw unexpected('a secret, or an array of them', 'sessionKey()', 'an empty array');
  const keys = list.map(readSecret);
  const macOf = (key: Buffer, id: string) =>
    createHmac('sha256', key).update('lws session id\0').update(id).digest('base64url');
  return {
    sign(id) {
      if (typeof id !== 'string' || id === '') throw unexpected('a session id', 'sign()', kindOf(id));
      return `${id}.${macOf(keys[0]!, id)}`;
    },
    open(signed) {
      if (typeof signed !== 'string' || signed.length > maxIdLength + 1 + MAC_LENGTH) return undefined;
      const end = signed.length - MAC_LENGTH;
      if (end < 2 || signed[end - 1] !== '.') return undefined;
      const id = signed.slice(0, end - 1);
      const mac = Buffer.from(signed.slice(end));
      const isOurs = keys.some((key) => {
        const own = Buffer.from(macOf(key, id));
        return own.length === mac.length && timingSafeEqual(own, mac);
      });
      return isOurs ? id : undefined;
    },
  };
}
