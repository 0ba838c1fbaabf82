/**
 * Carries short messages to one node, at most once. What is lost is made good by the next contact of that node
 * with the store, so nothing may depend on a message for correctness, only for speed.
 */
export interface SessionBus {
  /** Resolves to `false` when certainly nobody listens for that node. */
  publish(nodeId: string, message: Uint8Array): Promise<boolean>;
  /**
   * Hands every message for the node to `receive` until closed; goes on by itself after an outage, and then calls
   * `missed`, since messages may have been lost. What keeps it from listening, as a right that it has not, is told to
   * `failed` each time it is tried, with growing pauses.
   */
  subscribe(
    nodeId: string,
    receive: (message: Uint8Array) => void,
    missed?: () => void,
    failed?: (error: unknown) => void,
  ): Subscription;
}

/** Receives the messages for one node, from {@link SessionBus.subscribe} until it is closed. */
export interface Subscription {
  /** Resolves when messages arrive from now on. Never rejects: it waits for as long as the carrier is away. */
  readonly ready: Promise<void>;
  /** No message arrives after it resolved. */
  close(): Promise<void>;
}
