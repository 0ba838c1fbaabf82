/** Takes the upgrade. */
export interface UpgradeAcceptance<D> {
  /** Becomes `connection.data`. */
  data?: D | undefined;
  /** Must be one of the names the client offered. Default: the first offered one that `protocols` has. */
  protocol?: string | undefined;
  /** Further headers of the 101, as cookies; none of `Sec-WebSocket-*`. */
  headers?: Record<string, string | string[]> | Headers | Iterable<[string, string]> | undefined;
  /** Only refusals have one. */
  status?: undefined;
  /** Only refusals have one. */
  body?: undefined;
}

/** Refuses the upgrade with an HTTP response. */
export interface UpgradeRejection {
  /** 400–599, or a redirect 300–399. */
  status: number;
  /** Headers of the response. */
  headers?: Record<string, string | string[]> | Headers | Iterable<[string, string]> | undefined;
  /** Its body; a string is sent as UTF-8. */
  body?: string | Uint8Array | undefined;
}

/** What `upgrade` answers with; nothing accepts. */
export type UpgradeAnswer<D> = UpgradeAcceptance<D> | UpgradeRejection | undefined;
