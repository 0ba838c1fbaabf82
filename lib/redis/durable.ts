import { LwsError } from '../shared/errors.js';
import type { Argument, OwnConnection, RedisLink } from './link.js';
import { movedTo, numberOf, type Reply } from './reply.js';

/** Commands that wait together. */
const most = 256;

/** It is in the master, and no replica has confirmed it: what it answered is to be taken back. */
export class Unconfirmed extends Error {
  readonly reply: Reply;

  constructor(reply: Reply, why: string) {
    super(`${why}, so that a failover may lose it`);
    this.reply = reply;
  }
}

interface Waiting {
  readonly command: readonly Argument[];
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/**
 * Sends commands that count only when a replica has them. `WAIT` speaks of what its own connection wrote and blocks that,
 * so they go over connections of their own, one to each master: what comes while one round waits goes in the next. What
 * is lost with such a connection fails: one that came back may be another server's.
 */
export class Durable {
  private readonly link: RedisLink;
  private readonly timeout: number;
  private readonly rounds = new Map<string, Rounds>();
  private isClosed = false;

  constructor(link: RedisLink, timeout: number) {
    this.link = link;
    this.timeout = timeout;
  }

  async send(key: string, command: readonly Argument[], isRetry?: boolean): Promise<Reply> {
    const { link } = this;
    if (this.isClosed) throw new Error('the store was closed');
    // The client follows where the slot went; only it hears of that.
    if (isRetry === true) await link.send(key, ['EXISTS', key], true);
    const master = link.masterOf?.(key) ?? '';
    let rounds = this.rounds.get(master);
    if (rounds === undefined) {
      rounds = new Rounds(() => link.connectOwn?.(key), this.timeout);
      this.rounds.set(master, rounds);
    }
    return rounds.send(command);
  }

  close(): void {
    this.isClosed = true;
    for (const rounds of this.rounds.values()) rounds.close();
    this.rounds.clear();
  }
}

class Rounds {
  private readonly open: () => Promise<OwnConnection> | undefined;
  private readonly timeout: number;
  private connection: OwnConnection | undefined;
  private waiting: Waiting[] = [];
  private isRunning = false;
  private isClosed = false;

  constructor(open: () => Promise<OwnConnection> | undefined, timeout: number) {
    this.open = open;
    this.timeout = timeout;
  }

  send(command: readonly Argument[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ command, resolve, reject });
      if (!this.isRunning) void this.run();
    });
  }

  close(): void {
    this.isClosed = true;
    this.connection?.close();
    this.connection = undefined;
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.waiting.length > 0) {
      // What was asked in one turn goes together.
      const connection = await this.connect();
      const some = this.waiting.splice(0, most);
      if (connection instanceof Error) for (const { reject } of some) reject(connection);
      else await this.round(connection, some);
    }
    this.isRunning = false;
  }

  private async round(connection: OwnConnection, some: readonly Waiting[]): Promise<void> {
    const written: { readonly reply: Reply; readonly of: Waiting }[] = [];
    await Promise.all(
      some.map(async (of) => {
        try {
          const reply = await connection.send(of.command);
          // It lacked keys and changed nothing.
          if (movedTo(reply) !== undefined) of.resolve(reply);
          else written.push({ reply, of });
        } catch (error) {
          of.reject(error);
        }
      }),
    );
    if (written.length === 0) return;
    const why = await this.confirm(connection);
    for (const { reply, of } of written) {
      if (why === undefined) of.resolve(reply);
      else of.reject(new Unconfirmed(reply, why));
    }
  }

  /** Undefined when a replica has all that this connection wrote, else why that is not known. */
  private async confirm(connection: OwnConnection): Promise<string | undefined> {
    try {
      const count = numberOf(await connection.send(['WAIT', '1', `${this.timeout}`]));
      return count > 0 ? undefined : `no replica confirmed it within ${this.timeout} ms`;
    } catch {
      return 'the connection was lost before a replica confirmed it';
    }
  }

  private async connect(): Promise<OwnConnection | Error> {
    if (this.connection?.isOpen() === true) return this.connection;
    this.connection?.close();
    this.connection = undefined;
    let made: OwnConnection | undefined;
    try {
      made = await this.open();
      if (made === undefined || this.isClosed) throw new Error('the store was closed');
      // A server that cannot wait is to say so before anything is written.
      await made.send(['WAIT', '0', '1']);
      this.connection = made;
      return made;
    } catch (error) {
      made?.close();
      if (/unknown command/i.test(String(error)))
        return new LwsError('ERR_UNSUPPORTED', "the server has no WAIT, which durability: 'replica' needs");
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
