import { process } from '../shared/ambient.js';

const COOKIE = /\r\ncookie:/i;
const ORIGIN = /\r\norigin:[ \t]*(?:[a-z][\w+.-]*:\/\/)?([^\r]*)/i;
const HOST = /\r\nhost:[ \t]*([^\r]*)/i;

const text =
  'A browser opened a WebSocket with cookies, and this server has no "origins": a page of any site can do so in the ' +
  'name of its visitor (cross-site WebSocket hijacking). Give createServer the origins of your own pages, as ' +
  "origins: ['https://example.com'].";

/** Warns once that a server takes the cookies of browsers and does not ask whose page sends them (RFC 6455 10.2). */
export interface OriginWarning {
  /** Whether an upgrade that is accepted shows it, by its head. */
  suspects(head: string): boolean;
  /** Tells it, if it was not told yet. */
  tell(): void;
}

/** `judged`: a handler of the server may look at the origin itself; only a foreign one that it accepts shows otherwise. */
export function originWarning(judged: boolean): OriginWarning {
  let told = false;
  return {
    suspects(head) {
      if (told || !COOKIE.test(head)) return false;
      const origin = ORIGIN.exec(head)?.[1];
      if (origin === undefined) return false;
      return !judged || origin.trim().toLowerCase() !== HOST.exec(head)?.[1]?.trim().toLowerCase();
    },
    tell() {
      if (told) return;
      told = true;
      process.emitWarning(text, { code: 'LWS_ORIGINS' });
    },
  };
}
