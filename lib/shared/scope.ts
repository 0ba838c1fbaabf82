import { AsyncResource } from 'node:async_hooks';

/**
 * The async context that handlers are called in: none for a server's, so that nothing of whoever made the server, or of
 * another connection, is seen in them; a client's has that of its `connect`. Makes what one call runs in.
 */
export type Scope = () => AsyncResource;

/**
 * `runInAsyncScope.call(scope(), handler, self, …)` calls a handler. What it enters with
 * `AsyncLocalStorage.enterWith` ends with the call, also where others follow in the same batch.
 */
export const { runInAsyncScope } = AsyncResource.prototype;

const TYPE = 'libwebsockets';

/** A handler that is called in its scope, `this` being the options that hold it. */
export function within<A extends unknown[], R>(
  scope: Scope,
  handler: ((...args: A) => R) | undefined,
  self: object,
): ((...args: A) => R) | undefined {
  if (handler === undefined) return undefined;
  return (...args) =>
    runInAsyncScope.call(scope(), handler as (...given: unknown[]) => unknown, self, ...args) as R;
}

/** The context of whoever is calling now, for all of a client's handlers. */
export function scopeOfCaller(): Scope {
  const resource = new AsyncResource(TYPE);
  return () => resource;
}

/** The scope of an environment's servers. */
export interface EnvironmentScope {
  readonly scope: Scope;
  /** To be called where no JavaScript is further up the stack, so that no context is what it remembers. */
  settle(): void;
}

export function environmentScope(): EnvironmentScope {
  let Call: (new () => AsyncResource) | undefined;
  return {
    /* before the first batch nobody but the caller of a method can be told anything */
    scope: () => (Call === undefined ? new AsyncResource(TYPE) : new Call()),
    settle() {
      if (Call !== undefined) return;
      /*
       * Each call has an object of its own, with the ids and the context of one that stays: enterWith() writes to it
       * where Node keeps stores in resources (up to Node 22).
       */
      const fresh = function Call() {};
      fresh.prototype = new AsyncResource(TYPE, { requireManualDestroy: true });
      Call = fresh as unknown as new () => AsyncResource;
    },
  };
}
