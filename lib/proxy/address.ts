import { isIP, isIPv4 } from 'node:net';

/** An address and, where it was written with one, a port. */
export interface HostPort {
  readonly address: string;
  /** 0: none was written. */
  readonly port: number;
}

/** IPv4 inside IPv6 as IPv4 (RFC 4291 2.5.5.2); undefined for what is no address. */
export function plainAddress(text: string): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return isIPv4(mapped) ? mapped : undefined;
  /* a zone means something on the proxy's machine only */
  return isIP(text) === 0 || text.includes('%') ? undefined : text.toLowerCase();
}

/** Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`. */
export function readHostPort(text: string): HostPort | undefined {
  const match = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+):(\d{1,5})$/.exec(text);
  const address = plainAddress(match?.[1] ?? text);
  const port = Number(match?.[2] ?? 0);
  return address === undefined || port > 65535 ? undefined : { address, port };
}
