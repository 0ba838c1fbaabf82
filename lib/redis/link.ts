import type { Subscription } from '../sessions/bus.js';
import { Buffer, clearTimeout, setTimeout } from '../shared/ambient.js';
import type { Reply } from './reply.js';

/** A command's arguments, binary-safe. */
export type Argument = string | Uint8Array;

/** What the store needs of a Redis client, whichever it is. */
export interface RedisLink {
  /**
   * Sends one command to the master that holds `key`; bulk strings come back as bytes. `isRetry`: it was refused
   * before since its slot is moving, so it is not to share its way with others.
   */
  send(key: string, args: readonly Argument[], isRetry?: boolean): Promise<Reply>;
  /** Functions cannot be loaded everywhere by it, so operations run as scripts. Default: they are functions. */
  readonly lacksFunctions?: boolean;
  /** Sends one keyless command to every master; resolves to one outcome each. */
  sendToMasters(args: readonly Argument[]): Promise<PromiseSettledResult<Reply>[]>;
  /**
   * A further connection to the master that holds `key`. Left out: the client makes none. {@link masterOf} names that
   * master, where there are several.
   */
  connectOwn?(key: string): Promise<OwnConnection>;
  masterOf?(key: string): string;
  isReady(): boolean;
  /** Calls the listener once when commands can be sent again; returns what takes it back. */
  onceReady(listener: () => void): () => void;
  /** Resolves to the number of receivers. */
  publish(channel: string, message: Uint8Array): Promise<number>;
  /**
   * Over a connection of its own where the client needs one. `missed` is called when that was lost and is there again;
   * a cluster client does not tell, but there operations fail as well.
   */
  subscribe(channel: string, receive: (message: Uint8Array) => void, hear: Hearing): Subscription;
}

/** A connection that comes back never: what it has not answered when it is lost fails. */
export interface OwnConnection {
  send(args: readonly Argument[]): Promise<Reply>;
  isOpen(): boolean;
  close(): void;
}

/** What a subscription tells beside its messages. */
export interface Hearing {
  /** Messages may have been lost; from now on they arrive. */
  missed(): void;
  /** It could not subscribe, and will try again. */
  failed(error: unknown): void;
}

interface Emitter {
  once(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
}

/** Listens to the client's next `event`; returns what takes it back. */
export function onceEvent(client: Emitter, event: string, listener: () => void): () => void {
  client.once(event, listener);
  return () => client.removeListener(event, listener);
}

/** Milliseconds between the first two attempts to subscribe, and at most between any two. */
const firstPause = 500;
const longestPause = 30_000;

/**
 * Subscribes, again and again until it succeeds or is closed; from then on the client resubscribes by itself.
 * `closing` runs at once where it is closed: it lets no message through any more.
 */
export function keepSubscribing(
  subscribe: () => Promise<unknown>,
  unsubscribe: () => Promise<unknown>,
  hear: Hearing,
  closing: () => void,
): Subscription {
  let open = true;
  let pause = firstPause;
  let retry: NodeJS.Timeout | undefined;
  let current: Promise<unknown> = Promise.resolve();
  const ready = new Promise<void>((resolve) => {
    const succeed = () => {
      resolve();
      if (pause > firstPause && open) hear.missed();
    };
    const fail = (error: unknown) => {
      if (!open) return;
      hear.failed(error);
      retry = setTimeout(attempt, pause).unref();
      pause = Math.min(2 * pause, longestPause);
    };
    const attempt = () => {
      current = subscribe().then(succeed, fail);
    };
    attempt();
  });
  return {
    ready,
    async close() {
      open = false;
      closing();
      clearTimeout(retry);
      await current.then(unsubscribe).catch(() => undefined);
    },
  };
}

/** Redis takes a Buffer, not any view; this makes one on the same memory. */
export function bufferArguments(args: readonly Argument[]): (string | Buffer)[] {
  return args.map((arg) =>
    typeof arg === 'string' ? arg : Buffer.from(arg.buffer, arg.byteOffset, arg.length),
  );
}
