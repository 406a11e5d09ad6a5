import { temporaryFolder } from "@pullqueue/testing";
import { startPostgresInstance } from "@pullqueue/testing/postgres-instance";

/** A store's address for as long as a benchmark needs it. */
export interface StoreToMeasure extends AsyncDisposable {
  readonly address: string;
  /** The database's main process; undefined where there is none, or it is not ours. */
  readonly databasePid: number | undefined;
  /** What the database wrote to its log so far, in bytes; undefined where nobody says. */
  logBytes(): Promise<number | undefined>;
}

/** A PostgreSQL as somebody would set it up who has a few gigabytes of memory; everything else is as it comes. */
export const POSTGRES_SETTINGS = { shared_buffers: "1GB", max_wal_size: "4GB" };

/** Makes what `--store` asks for: `postgres`, `sqlite`, or an address that is taken as it is. */
export async function storeToMeasure(kind: string): Promise<StoreToMeasure> {
  if (kind === "postgres") {
    const postgres = await startPostgresInstance({ settings: POSTGRES_SETTINGS });
    const [row] = await postgres.query("SELECT pg_read_file('postmaster.pid') AS text");
    const databasePid = Number.parseInt(String(row?.text), 10);
    const logBytes = async () => {
      const [position] = await postgres.query("SELECT pg_current_wal_lsn() - '0/0' AS bytes");
      return Number(position?.bytes);
    };
    return {
      address: postgres.url,
      databasePid,
      logBytes,
      [Symbol.asyncDispose]: () => postgres[Symbol.asyncDispose](),
    };
  }
  if (kind === "sqlite") {
    const folder = temporaryFolder();
    return {
      address: `sqlite:${folder.file("queue.db")}`,
      databasePid: undefined,
      logBytes: async () => undefined,
      [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
    };
  }
  const nothing = async () => undefined;
  return { address: kind, databasePid: undefined, logBytes: nothing, [Symbol.asyncDispose]: nothing };
}
