import { systemClock } from "../clock.js";
import { isQueueError, QueueError } from "../errors.js";
import { randomFraction } from "../ids.js";
import {
  POSTGRES_IDLE_TRANSACTION_MS,
  POSTGRES_LOCK_TIMEOUT_MS,
  POSTGRES_RETRY_PAUSE_MS,
  POSTGRES_STATEMENT_TIMEOUT_MS,
  POSTGRES_TRIES,
} from "../limits.js";
import type { StoreObserver } from "../store.js";
import type { DatabaseClock } from "./postgres-clock.js";
import { isConnectionLost, isRefusal, isTransient, translatePostgresError } from "./postgres-errors.js";
import type {
  PostgresClient,
  PostgresPool,
  PostgresQuery,
  PostgresResult,
  PostgresRow,
} from "./postgres-pool.js";
import { STATEMENTS, type StatementName } from "./postgres-statements.js";

/** Runs one named statement and gives its rows. */
export type RunStatement = <Row>(name: StatementName, values: readonly unknown[]) => Promise<readonly Row[]>;

/** A statement with its values. */
export interface Statement {
  readonly name: StatementName;
  readonly values: readonly unknown[];
}

/** What a transaction's work leaves to be done. */
export interface TransactionEnd<T> {
  readonly result: T;
  /** Sent with the commit. */
  readonly closing: readonly Statement[];
  /** Sent behind the commit; nobody waits for it, or is told when it fails. */
  readonly telling: Statement | undefined;
}

/** One transaction: what is sent with its beginning, and its work. */
export interface TransactionPlan<T> {
  /** Its rows are the work's. */
  readonly opening?: Statement | undefined;
  readonly work: (
    statement: RunStatement,
    nowUs: number,
    opened: readonly PostgresRow[],
  ) => Promise<TransactionEnd<T>>;
}

/** Whether a connection can be used again, or nobody can say what state it is in. */
type ConnectionState = "sound" | "broken";

/** Takes what a connection is busy with after its work, which never fails but says how it leaves the connection. */
type BusyUntil = (over: Promise<ConnectionState>) => void;

/** How columns are read: whole numbers as numbers (none is past 2^53), bytes as bytes, arrays of whole numbers (none is null) as arrays. */
const TYPES = {
  getTypeParser(oid: number): (text: string) => unknown {
    return PARSERS[oid] ?? String;
  },
};

/** By PostgreSQL's numbers of its types (pg_type.dat): bool, bytea, int8, int2, int4, float8, int4[]. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === "t",
  17: (text) => bytesOf(text.slice(2), "hex"),
  20: Number,
  21: Number,
  23: Number,
  701: Number,
  1007: (text) => (text === "{}" ? [] : text.slice(1, -1).split(",").map(Number)),
};

/** Bytes that the database wrote as text. */
export function bytesOf(text: string, encoding: "base64" | "hex"): Uint8Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, encoding);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * What every connection is told first. A commit is on disk before it is answered, whatever the database's default. A
 * process that stands still does not keep others waiting. Plans use indexes although the tables may have been empty when
 * they were made: a queue grows faster than PostgreSQL looks at it. Rows that are wanted in
 * order come from an index in that order, for the same reason; what a statement has taken is sorted all the same.
 */
function setUpText(schema: string): string {
  return `SET search_path = "${schema}";
    SELECT set_config('synchronous_commit', 'on', false)
      WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
    SET statement_timeout = ${POSTGRES_STATEMENT_TIMEOUT_MS};
    SET lock_timeout = ${POSTGRES_LOCK_TIMEOUT_MS};
    SET idle_in_transaction_session_timeout = ${POSTGRES_IDLE_TRANSACTION_MS};
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
    SET enable_sort = off; SET jit = off; SET bytea_output = hex; SET client_min_messages = warning`;
}

/** What the connections of one store are made of. */
export interface PostgresConnectionsOptions {
  readonly pool: PostgresPool;
  /** Ends the pool, where it is the store's own. */
  readonly end: () => Promise<void>;
  readonly schema: string;
  readonly clock: DatabaseClock;
  readonly observer: StoreObserver | undefined;
}

/** The connections of one store: statements alone, transactions, and the door for PostgreSQL's errors. */
export class PostgresConnections {
  readonly schema: string;
  readonly #pool: PostgresPool;
  readonly #clock: DatabaseClock;
  /** A pause between two tries is real, whatever clock the tasks have. */
  readonly #pauses = systemClock();
  readonly #end: () => Promise<void>;
  readonly #queryTimeoutMs: number | undefined;
  readonly #observer: StoreObserver | undefined;
  readonly #ready = new WeakSet<PostgresClient>();

  constructor(options: PostgresConnectionsOptions) {
    this.#pool = options.pool;
    this.#end = options.end;
    this.schema = options.schema;
    this.#clock = options.clock;
    this.#observer = options.observer;
    const { pool } = options;
    this.#queryTimeoutMs = pool.options?.query_timeout;
    // The pool drops idle connections that end; without a listener the process would end too.
    pool.on("error", () => {});
  }

  /** Lends a connection that is set up; give it back with `giveBack`. */
  async borrow(): Promise<PostgresClient> {
    const connecting = this.#pool.connect();
    this.#tell();
    const client = await connecting.finally(() => this.#tell());
    if (this.#ready.has(client)) return client;
    // One that breaks while it is lent tells of it by the statement under way; without a listener the process would end.
    client.on("error", () => {});
    try {
      await client.query({ text: setUpText(this.schema) });
    } catch (error) {
      this.giveBack(client, "broken");
      throw error;
    }
    this.#ready.add(client);
    return client;
  }

  /** Takes a connection back, or closes it when nobody can say what state it is in. */
  giveBack(client: PostgresClient, state: ConnectionState): void {
    client.release(state === "broken");
    this.#tell();
  }

  /** Learns what the database's clock shows. */
  async readClock(): Promise<void> {
    const [row] = await this.read<{ readonly now_us: number }>("now", []);
    this.#clock.observe(row!.now_us);
  }

  /** One statement alone. */
  async read<Row>(name: StatementName, values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#translated(async () => {
      const client = await this.borrow();
      return this.#finishing(client, () => run<Row>(client, name, values));
    });
  }

  /** The same for one that changes rows; gives their number. */
  async change(name: StatementName, values: readonly unknown[]): Promise<number> {
    return this.#translated(async () => {
      const client = await this.borrow();
      return this.#finishing(client, async () => (await query(client, name, values)).rowCount ?? 0);
    });
  }

  /** Ends all of them. The owner of a pool that was handed in ends it. */
  async close(): Promise<void> {
    await this.#end();
  }

  /**
   * One transaction at one moment. What the database undid because of others is done again, and so is what a connection
   * broke off before its commit; when it breaks within the commit, nobody can say what is on disk.
   */
  async transaction<T>(plan: TransactionPlan<T>): Promise<T> {
    return this.#translated(() => this.#transaction(plan));
  }

  async #transaction<T>({ opening, work }: TransactionPlan<T>): Promise<T> {
    const client = await this.borrow();
    return this.#finishing(client, async (busyUntil) => {
      try {
        const { nowUs, opened } = await this.#begin(client, opening);
        const end = await work((name, values) => run(client, name, values), nowUs, opened);
        await this.#commit(client, end, busyUntil);
        return end.result;
      } catch (error) {
        if (error instanceof Unclear || isConnectionLost(error)) throw error;
        await client.query({ text: "ROLLBACK" });
        throw error;
      }
    });
  }

  async #begin(
    client: PostgresClient,
    opening: Statement | undefined,
  ): Promise<{ readonly nowUs: number; readonly opened: readonly PostgresRow[] }> {
    const text = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT now_us() AS now_us";
    const queries = [{ text, types: TYPES }, ...(opening === undefined ? [] : [queryOf(opening)])];
    const { answers, failure } = await this.#together(client, queries);
    if (failure !== undefined) throw failure;
    const [, now] = answers[0] as unknown as readonly PostgresResult[];
    const nowUs = now!.rows[0]!.now_us as number;
    this.#clock.observe(nowUs);
    return { nowUs, opened: answers[1]?.rows ?? [] };
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const startedMs = performance.now();
      try {
        return await work();
      } catch (error) {
        // A connection that was merely old breaks at once. One that was silent for long has taken its caller's time already.
        const isQuick = performance.now() - startedMs < POSTGRES_LOCK_TIMEOUT_MS;
        const again = isTransient(error) ? POSTGRES_TRIES : isConnectionLost(error) && isQuick ? 2 : 1;
        if (tries >= again) throw translated(error);
        await this.#pause(tries);
      }
    }
  }

  /** Gives the connection back afterwards, or when what it is still busy with is over. */
  async #finishing<T>(client: PostgresClient, work: (busyUntil: BusyUntil) => Promise<T>): Promise<T> {
    let state: ConnectionState = "broken";
    let busy: Promise<ConnectionState> | undefined;
    try {
      const result = await work((over) => {
        busy = over;
      });
      state = "sound";
      return result;
    } catch (error) {
      // A complaint of ours has been rolled back.
      state = isQueueError(error) ? "sound" : stateAfter(error);
      throw error;
    } finally {
      if (busy === undefined) this.giveBack(client, state);
      else void busy.then((found) => this.giveBack(client, found === "broken" ? found : state));
    }
  }

  /**
   * Sends the last statements of a transaction with its commit: when the database refuses one of them, the commit behind it undoes
   * everything; when one fails for another reason, the commit may have been done. What tells of the transaction is sent behind that.
   */
  async #commit(
    client: PostgresClient,
    { closing, telling }: TransactionEnd<unknown>,
    busyUntil: BusyUntil,
  ): Promise<void> {
    const tell = (before: number) => {
      if (telling === undefined) return;
      const told = client.query(this.#behind(before, queryOf(telling)));
      // Handled at once: nobody looks at it before the transaction is over, which takes a round trip where it failed.
      busyUntil(told.then(() => "sound", stateAfter));
    };
    const ending = this.#together(client, [...closing.map(queryOf), { text: "COMMIT" }]);
    if (client.pipeline === true) tell(closing.length + 1);
    const { answers, failure, sent } = await ending;
    if (failure === undefined) {
      if (client.pipeline !== true) tell(0);
      return;
    }
    const isBeforeCommit = answers.length < closing.length;
    const isUndone = isRefusal(failure) && (isBeforeCommit || !isConnectionLost(failure));
    if (sent > closing.length && !isUndone) throw new Unclear(failure);
    throw failure;
  }

  /** Sends queries in one go where the client can; else each when the one before it has not failed. Waits for all that were sent. */
  async #together(client: PostgresClient, queries: readonly PostgresQuery[]): Promise<Together> {
    const answers: PostgresResult[] = [];
    if (client.pipeline !== true) {
      for (const query of queries) {
        try {
          answers.push(await client.query(query));
        } catch (failure) {
          return { answers, failure, sent: answers.length + 1 };
        }
      }
      return { answers, failure: undefined, sent: queries.length };
    }
    const asked = queries.map((query, before) => client.query(this.#behind(before, query)));
    for (const outcome of await Promise.allSettled(asked)) {
      if (outcome.status === "rejected") return { answers, failure: outcome.reason, sent: queries.length };
      answers.push(outcome.value);
    }
    return { answers, failure: undefined, sent: queries.length };
  }

  /** A query that is sent while others have no answer yet. It waits from now on, and the database may take its time for each of them. */
  #behind(before: number, query: PostgresQuery): PostgresQuery {
    if (before === 0 || !this.#queryTimeoutMs) return query;
    return { ...query, query_timeout: this.#queryTimeoutMs + before * POSTGRES_STATEMENT_TIMEOUT_MS };
  }

  #tell(): void {
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool;
    this.#observer?.onPool?.({ total, idle, waiting });
  }

  /** Those who stood in each other's way do not meet again. */
  #pause(tries: number): Promise<void> {
    return new Promise((resolve) => {
      this.#pauses.timer(POSTGRES_RETRY_PAUSE_MS * tries * randomFraction(), resolve, { keepAlive: true });
    });
  }
}

/** A connection broke while its transaction was being committed. */
class Unclear extends Error {
  constructor(cause: unknown) {
    super("the outcome of a transaction is not known", { cause });
  }
}

/** `unavailable` promises that nothing was done, so that clients of a server may ask for the same again. */
function translated(error: unknown): QueueError {
  if (!(error instanceof Unclear)) return translatePostgresError(error);
  return new QueueError(
    "timeout",
    "the connection to the database broke while a transaction was committed, so that it is unclear whether it was done; look, or ask for the same again with an id or a key that keeps it from being done twice",
    { cause: error.cause },
  );
}

/** What became of queries: the answers before the first failure, that failure, and how many were sent. */
interface Together {
  readonly answers: readonly PostgresResult[];
  readonly failure: unknown;
  readonly sent: number;
}

/** A statement that the database refused leaves the connection as it was. */
function stateAfter(error: unknown): ConnectionState {
  return isRefusal(error) && !isConnectionLost(error) ? "sound" : "broken";
}

async function run<Row>(
  client: PostgresClient,
  name: StatementName,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const { rows } = await query(client, name, values);
  return rows as unknown as readonly Row[];
}

function query(client: PostgresClient, name: StatementName, values: readonly unknown[]) {
  return client.query(queryOf({ name, values }));
}

function queryOf({ name, values }: Statement): PostgresQuery {
  return { name, text: STATEMENTS[name], values, types: TYPES };
}
