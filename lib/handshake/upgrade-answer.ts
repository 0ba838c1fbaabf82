import type { Unless } from '../connection/handlers.js';

/** What takes an upgrade, beside its data. */
export interface UpgradeTerms {
  /** Must be one of the names the client offered. Default: the first offered one that `protocols` has. */
  protocol?: string | undefined;
  /** Further headers of the 101, as cookies; none of `Sec-WebSocket-*`. Those of the network connection, as `Connection`, are left out. */
  headers?: Record<string, string | string[]> | Headers | Iterable<[string, string]> | undefined;
  /** Only refusals have one. */
  status?: undefined;
  /** Only refusals have one. */
  body?: undefined;
}

/** Takes the upgrade. */
export type UpgradeAcceptance<D> = UpgradeTerms & { data?: D | undefined } & Unless<D, { data: NoInfer<D> }>;

/** Refuses the upgrade with an HTTP response. */
export interface UpgradeRejection {
  /** 400–599, or a redirect 300–399. */
  status: number;
  /** Headers of the response. */
  headers?: Record<string, string | string[]> | Headers | Iterable<[string, string]> | undefined;
  /** Its body; a string is sent as UTF-8. */
  body?: string | Uint8Array | undefined;
}

/** What `upgrade` answers with; nothing accepts, where `connection.data` may be undefined. */
export type UpgradeAnswer<D> =
  | UpgradeAcceptance<D>
  | UpgradeRejection
  | (undefined extends NoInfer<D> ? undefined | void : never);
