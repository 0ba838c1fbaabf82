import { toBytes } from '../shared/arguments.js';
import { describe } from '../shared/checks.js';
import { LwsError } from '../shared/errors.js';
import { isUint8Array } from '../shared/realms.js';
import type { SessionBus, Subscription } from './bus.js';
import type { Closing } from './close-codes.js';
import type { Counters } from './counters.js';
import { decode } from './decode.js';
import { encode } from './encode.js';
import type { Teller } from './events.js';
import { connectionOfKey } from './ids.js';
import type { MessageData } from './socket.js';
import type { SessionOwner } from './store.js';

/** Longest message to another node. */
const maxMessage = 1_048_576;

/**
 * What one node asks of another, about a connection and the session it is expected to have: `close` closes the
 * connection, `part` says that it has lost its session and is to be closed for that, `renew` that the session has got
 * another id: the store says which.
 */
export type Order = { readonly connection: string; readonly sessionId: string } & (
  | ({ readonly kind: 'close' | 'part' } & Closing)
  | { readonly kind: 'renew' }
  | { readonly kind: 'send'; readonly data: string | Uint8Array }
);

/** Sends orders to other nodes and receives theirs. At most once: what is lost is found by the next touch. */
export class Control {
  private readonly bus: SessionBus | undefined;
  private readonly nodeId: string;
  private readonly teller: Teller;
  private readonly counters: Counters;
  private subscription: Subscription | undefined;

  constructor(bus: SessionBus | undefined, nodeId: string, teller: Teller, counters: Counters) {
    this.bus = bus;
    this.nodeId = nodeId;
    this.teller = teller;
    this.counters = counters;
  }

  /** Starts receiving; resolves when orders arrive, or never will. `missed`: some may have been lost. Never rejects. */
  async start(obey: (order: Order) => void, missed: () => void): Promise<void> {
    const receive = (message: Uint8Array) => {
      try {
        obey(readOrder(message));
      } catch (error) {
        this.teller.fail(error, 'reading a message of another node');
      }
    };
    const failed = (error: unknown) => this.teller.fail(error, 'listening to other nodes');
    try {
      this.subscription = this.bus?.subscribe(this.nodeId, receive, missed, failed);
      await this.subscription?.ready;
    } catch (error) {
      failed(error);
    }
  }

  /** Whether the order was handed to a node that listens. */
  async close(
    kind: 'close' | 'part',
    owner: SessionOwner,
    sessionId: string,
    closing: Closing,
  ): Promise<boolean> {
    const { code, reason } = closing;
    const connection = connectionOfKey(owner.connectionId);
    return this.give(owner.nodeId, { kind, connection, sessionId, code, reason });
  }

  async renew(owner: SessionOwner, sessionId: string): Promise<boolean> {
    const connection = connectionOfKey(owner.connectionId);
    return this.give(owner.nodeId, { kind: 'renew', connection, sessionId });
  }

  async send(owner: SessionOwner, sessionId: string, data: MessageData): Promise<boolean> {
    const connection = connectionOfKey(owner.connectionId);
    return this.give(owner.nodeId, {
      kind: 'send',
      connection,
      sessionId,
      data: typeof data === 'string' ? data : toBytes(data),
    });
  }

  async stop(): Promise<void> {
    await this.subscription?.close();
  }

  private async give(nodeId: string, order: Order): Promise<boolean> {
    if (this.bus === undefined) return false;
    const message = encode(order, 'a message to another node', maxMessage);
    this.counters.forwarded++;
    try {
      if (await this.bus.publish(nodeId, message)) return true;
    } catch (error) {
      this.teller.fail(error, 'sending to another node');
    }
    this.counters.undelivered++;
    return false;
  }
}

/** Other nodes may run other versions, and Redis may be open to others: nothing about a message is believed. */
function readOrder(message: Uint8Array): Order {
  if (message.length > maxMessage) throw new LwsError('ERR_STORE', 'a message of another node is too long');
  const order = decode(message) as Record<string, unknown>;
  const { kind, connection, sessionId, code, reason, data } = order ?? {};
  if (typeof connection === 'string' && typeof sessionId === 'string') {
    if ((kind === 'close' || kind === 'part') && typeof code === 'number' && typeof reason === 'string') {
      return { kind, connection, sessionId, code, reason };
    }
    if (kind === 'renew') return { kind, connection, sessionId };
    if (kind === 'send' && (typeof data === 'string' || isUint8Array(data))) {
      return { kind, connection, sessionId, data };
    }
  }
  throw new LwsError('ERR_STORE', `a message of another node is of the unknown kind ${describe(kind)}`);
}
