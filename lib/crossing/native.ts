/**
 * The whole surface of the native binary. Nothing outside `lib/crossing/crossing.ts`
 * and `lib/server/server.ts` calls it; the numbers are those of `native/core`.
 */
import { loadNative } from './loader.js';

/** Memory that both sides see for the life of the environment. */
export interface SharedMemory {
  /** The record ring; its words are those of `record.ts`. */
  records: ArrayBuffer;
  /** The out-ring, see {@link OUT_START}. */
  out: ArrayBuffer;
  /** A double per slot: bytes that wait natively for its socket. Then another: payload bytes that the next flush takes. */
  queued: ArrayBuffer;
}

/** An opaque TLS context of the native side. */
export type TlsHandle = object & { readonly __tls: unique symbol };

/** PEM bytes unless said otherwise; absent parts are left out. */
export interface NativeTlsOptions {
  cert?: Uint8Array;
  key?: Uint8Array;
  pfx?: Uint8Array;
  ca?: Uint8Array;
  passphrase?: string;
  ciphers?: string;
  cipherSuites?: string;
  groups?: string;
  minVersion: number;
  maxVersion: number;
  client: boolean;
  /** Beside `ca`, those of OpenSSL's own places. */
  defaultPaths: boolean;
  askPeer: boolean;
  verifyPeer: boolean;
}

export interface NativeTlsInfo {
  version: string;
  cipher: string;
  serverName: string;
  resumed: boolean;
  verified: boolean;
  /** DER */
  certificate?: Buffer;
}

/** All of `lwsn_server_options` by name; each has to be there. Times are milliseconds, sizes bytes, 0 is off. */
export interface NativeOptions {
  readonly maxPayload: number;
  readonly pingInterval: number;
  readonly idleTimeout: number;
  readonly handshakeTimeout: number;
  readonly closeTimeout: number;
  readonly keepAliveTimeout: number;
  readonly maxHeaderSize: number;
  readonly deflateThreshold: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Microseconds. */
  readonly busyPoll: number;
  /** Upgrades are accepted without asking, with the {@link ConnectionFlag} bits of `acceptFlags`. */
  readonly acceptsAlone: boolean;
  /** The end of a connection is told even if nothing else was. */
  readonly tellsClosed: boolean;
  readonly acceptFlags: number;
  readonly maxBackpressure: number;
  readonly dropsOverflow: boolean;
  readonly proxyProtocol: boolean;
}

/** `lwsn_listen_options`: either a host or the path of a unix socket. */
export interface NativeAddress {
  readonly host: string | null;
  readonly path: string | null;
  readonly port: number;
  readonly backlog: number;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
}

/** The counters of a server, and what is there now, by the names of {@link ServerStats}. */
export interface NativeStats {
  accepted: number;
  refused: number;
  requests: number;
  opened: number;
  closed: number;
  messagesReceived: number;
  messagesSent: number;
  bytesReceived: number;
  bytesSent: number;
  transports: number;
  connections: number;
  topics: number;
  subscriptions: number;
  publicationsLost: number;
}

export interface Native {
  /** Once per environment. `onBatch` is called at most once per loop turn; `slabs` is filled before it. */
  start(
    onBatch: (count: number) => void,
    slabs: (ArrayBuffer | undefined)[],
    copies: boolean,
    markShared: (memory: object) => void,
    transfer: ((this: ArrayBuffer) => ArrayBuffer) | undefined,
  ): SharedMemory;
  /** Bytes of messages that threads of this process left to whoever they had been transferred to. */
  memoryLeft(): number;
  /** Consumes the out-ring now. */
  flush(): void;
  /** Sends past the ring, behind everything in it. Bytes that wait natively afterwards, -1 for a dead handle. */
  send(slot: number, generation: number, opcode: number, bytes: Uint8Array): number;
  /** A copy of payload bytes whose slab was detached in the middle of a batch. */
  recover(slab: number, offset: number, length: number): Buffer;
  /** A subscription, 0 without memory, -1 where the connection is not open. */
  subscribe(slot: number, generation: number, topic: string): number;
  unsubscribe(slot: number, generation: number, subscription: number): void;
  /** To all subscribers but that handle; how many took it, -1 without memory. `opcode` perhaps with {@link PLAIN}. */
  publish(
    server: number,
    slot: number,
    generation: number,
    topic: string,
    data: string | Uint8Array,
    opcode: number,
  ): number;
  subscribers(server: number, topic: string): number;
  /** Shares the topics of a server with the others of that name in this process; `''`, or an error code. */
  joinGroup(server: number, name: string): string;
  createServer(options: NativeOptions): number;
  /** The port, or an error code. */
  listen(server: number, where: NativeAddress): number | string;
  stopListening(server: number): void;
  reference(server: number, on: boolean): void;
  /** Whoever comes from now on has one exchange, and every upgrade is asked about. */
  retire(server: number): void;
  /** Retires it, and tells when its last transport has ended. */
  drain(server: number): void;
  killAll(server: number): void;
  releaseServer(server: number): void;
  stats(server: number): NativeStats;
  /** Tells of the connections that the native side accepted alone and that no record has told of yet. */
  introduce(server: number): [slot: number, generation: number, peerAndHead: Buffer, closing: boolean][];
  /** How many those are. */
  unknown(server: number): number;
  /**
   * Duplicates the descriptor; `input` was read from it already. `address`: the peer where the socket
   * itself does not tell (`''`: none), else null. A handle, or an error code.
   */
  adopt(
    server: number,
    fd: number,
    input: Uint8Array,
    address: string | null,
    port: number,
  ): [slot: number, generation: number] | string;
  adoptClient(server: number, fd: number, host: string | null): [slot: number, generation: number] | string;
  socketPair(): [number, number] | string;
  createTls(options: NativeTlsOptions): TlsHandle;
  addTlsName(context: TlsHandle, name: string, other: TlsHandle): void;
  setTls(server: number, context: TlsHandle): void;
  tlsInfo(slot: number, generation: number): NativeTlsInfo | undefined;
  createMemory(size: number): ArrayBuffer;
  detachMemory(buffer: ArrayBuffer): void;
  /** The package that it was built for. */
  readonly version: string;
  readonly lwsVersion: string;
}

/** `lwsn_record_kind` of native/core/crossing/inbound.h. */
export const Kind = {
  REQUEST: 1,
  BODY: 2,
  GONE: 3,
  OPEN: 4,
  TEXT: 5,
  BINARY: 6,
  FRAGMENT: 7,
  PONG: 8,
  WRITABLE: 9,
  CLOSED: 10,
  LISTENER: 11,
  FLUSHED: 12,
  EMPTY: 13,
  CLOSING: 16,
  CONNECTED: 14,
  RESPONSE: 15,
} as const;

/** `slab` of a record without payload. */
export const NO_SLAB = 0xffffffff;

/** The id of a server, in two words of a record. */
export const serverId = (low: number, high: number): number => high * 0x1_0000_0000 + low;

/** In the detail of a REQUEST, the high word of its server's id is above the flags. */
export const REQUEST_SERVER = 11;

/** `lwsn_request_flag`. */
export const RequestFlag = {
  UPGRADE: 1,
  BODY: 2,
  KEEP_ALIVE: 4,
  HEAD: 8,
  HTTP10: 16,
  EXPECT_CONTINUE: 32,
  SECURE: 64,
  PROTOCOLS: 128,
  EXTENSIONS: 256,
  ORIGIN: 512,
  PROXY_TLS: 1024,
} as const;

/** `lwsn_fragment_flag`. */
export const FragmentFlag = { FIRST: 1, FINAL: 2, TEXT: 4 } as const;

/** `lwsn_closing`. */
export const Closing = { PEER: 0, OURS: 1 } as const;

/** `lwsn_gone`. */
export const Gone = { PEER: 0, TIMEOUT: 1, BODY: 2, ANSWER: 3 } as const;

/** `lwsn_connection_flag`. */
export const ConnectionFlag = {
  FRAGMENTS: 1,
  TRANSIENT: 2,
  PONGS: 4,
  DEFLATE: 8,
  OWN_TAKEOVER: 16,
  PEER_TAKEOVER: 32,
} as const;

/** Shifts of the parameters beside `ConnectionFlag.DEFLATE`, 4 bits each. */
export const DeflateShift = { OWN_WINDOW: 8, PEER_WINDOW: 12, LEVEL: 16, MEM_LEVEL: 20 } as const;

/** Beside `Out.RAW`: of an interim response, after which another may follow. */
export const RAW_INTERIM = 1 << 8;

/** `lwsn_out_kind` of native/core/crossing/outbound.h. */
export const Out = {
  DATA: 1,
  RAW: 2,
  PING: 3,
  CLOSE: 4,
  TERMINATE: 5,
  PAUSE: 6,
  RESUME: 7,
  WANT_WRITABLE: 8,
  ACCEPT: 9,
  RESPONSE_END: 10,
  SHORT: 11,
  UNTIL_END: 12,
  ANSWER: 13,
} as const;

/** Offset of the first out-record; before it {@link OUT_WRITE_OFFSET} and {@link OUT_SORTED}. */
export const OUT_START = 64;
/** The word that tells where the next out-record goes. */
export const OUT_WRITE_OFFSET = 0;
/** The word that tells up to where out-records are sorted, and change no more. */
export const OUT_SORTED = 1;
/** Bytes before each out-payload. */
export const OUT_HEADER = 32;
/** Larger payloads do not go through the ring. */
export const OUT_COPY_MAX = 4096;
/** The longest payload of a message in a record of several. */
export const OUT_SHORT_MAX = 125;
/** Opcode of {@link Native.send} for bytes of an HTTP response. */
export const OPCODE_RAW = 0x100;
/** Beside an opcode: do not compress this message. */
export const PLAIN = 0x10;
/** RFC 6455 5.2. */
export const OPCODE_TEXT = 1;
/** RFC 6455 5.2. */
export const OPCODE_BINARY = 2;

/** The binary, loaded on first use so that importing types or errors never fails. */
let loaded: Native | undefined;
export function native(): Native {
  loaded ??= loadNative() as Native;
  return loaded;
}
