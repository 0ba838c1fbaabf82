import { Buffer } from '../shared/ambient.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import { type Argument, bufferArguments, keepSubscribing, type RedisLink } from './link.js';
import type { Reply } from './reply.js';

/** Any client that can send a command: what the store needs of one that it does not know by name. */
export interface CommandClient {
  /**
   * Sends one command and resolves to its reply: bulk strings as `Uint8Array`, integers as numbers, nothing as
   * `null`, lists as arrays. Rejects with an error whose message begins with that of Redis.
   *
   * @param args - the command and its arguments, binary-safe
   * @param options - `key`: the key by which a cluster finds the node; `undefined` where any node will do
   */
  sendCommand(
    args: readonly (string | Buffer)[],
    options: { readonly key: string | undefined },
  ): Promise<unknown>;
  /**
   * Listens to a channel, again by itself after its connection was lost; resolves to what ends that. Left out: what
   * other nodes tell is found at the next contact with the store.
   */
  subscribe?:
    | ((channel: string, receive: (message: Uint8Array) => void) => Promise<() => unknown>)
    | undefined;
}

/** No text has these bytes. */
const probe = Buffer.from([0xff, 0x00, 0xfe]);

export function linkCommandClient(client: CommandClient): RedisLink {
  const sendCommand = (key: string | undefined, args: readonly Argument[]) =>
    client.sendCommand(bufferArguments(args), { key }) as Promise<Reply>;
  let asked: Promise<void> | undefined;

  /** Values are bytes: a client that makes texts of them would break what users store. */
  async function askForBytes(key: string): Promise<void> {
    const echo = await sendCommand(key, ['ECHO', probe]);
    if (isUint8Array(echo) && probe.equals(echo)) return;
    const message = `client has to answer bulk strings as bytes, but sendCommand() made them ${typeof echo}s`;
    throw new LwsError('ERR_INVALID_OPTION', message);
  }

  async function send(key: string, args: readonly Argument[]): Promise<Reply> {
    asked ??= askForBytes(key).catch((error: unknown) => {
      asked = undefined;
      throw error;
    });
    await asked;
    return sendCommand(key, args);
  }

  return {
    send,
    // It reaches one node, and functions have to be in each.
    lacksFunctions: true,
    sendToMasters: (args) => Promise.allSettled([sendCommand(undefined, args)]),
    isReady: () => true,
    onceReady: () => () => undefined,
    publish: async (channel, message) => Number(await sendCommand(undefined, ['PUBLISH', channel, message])),
    subscribe(channel, receive, hear) {
      if (client.subscribe === undefined) return { ready: Promise.resolve(), close: async () => undefined };
      let open = true;
      let end: (() => unknown) | undefined;
      return keepSubscribing(
        async () => {
          end = await client.subscribe?.(channel, (message) => open && receive(message));
        },
        async () => end?.(),
        hear,
        () => {
          open = false;
        },
      );
    },
  };
}
