import { chownSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type Child, startChild } from "./child.js";
import { freePort } from "./free-port.js";
import type { Prng } from "./prng.js";
import { temporaryFolder } from "./temp.js";

/** How PostgreSQL is told to stop: `fast` ends its sessions, `immediate` leaves a recovery to the next start. */
export type StopManner = "fast" | "immediate";

/** A standby shows what it has, and waits for a primary that may never come. */
export type PostgresRole = "primary" | "standby";

/**
 * A PostgreSQL of one test's own, in a temporary folder: it can be stopped, restarted and killed, which nobody may do to
 * one that others use. Its port stays the same over restarts.
 */
export interface PostgresInstance extends AsyncDisposable {
  /** `postgres://postgres@127.0.0.1:PORT/postgres`; no password is asked for. */
  readonly url: string;
  readonly port: number;
  /**
   * Resolves when it takes connections; recovery is over by then. Nothing happens when it runs. A standby takes no writes
   * until somebody calls `pg_promote()`. Default: `primary`.
   */
  start(role?: PostgresRole): Promise<void>;
  /** Resolves when its processes have ended. Nothing happens when it is stopped. Default: `fast`. */
  stop(manner?: StopManner): Promise<void>;
  /** `kill -9` to its main process, as when the machine runs out of memory; the others notice and end. */
  kill9(): Promise<void>;
  /** Runs one statement on a connection of its own, and gives the rows. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** Ends some of the clients' sessions, each with the same chance out of a hundred. Resolves with their number. */
  terminateSessions(percent: number, chance: Prng): Promise<number>;
}

/** What can be said about an instance to be started. */
export interface PostgresInstanceOptions {
  /** Settings as in postgresql.conf: `{ max_connections: "12" }`. Default: none but those an instance needs. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Whom PostgreSQL runs as; undefined: us. */
type Account = { readonly uid: number; readonly gid: number } | undefined;

/** Where Debian keeps the programs of each version. */
const VERSIONS_FOLDER = "/usr/lib/postgresql";

/** How long `initdb` may take, in milliseconds: about a second on an idle machine. */
const INITDB_MS = 60_000;

/** How long PostgreSQL may take to take connections, its recovery included, in milliseconds. */
const START_MS = 60_000;

/** How long PostgreSQL may take to stop, in milliseconds: a fast stop writes everything to disk. */
const STOP_MS = 30_000;

/** Starts tried after a kill, while processes of the killed one still hold its shared memory; and the pause between, in milliseconds. */
const START_TRIES = 100;
const START_PAUSE_MS = 100;

const SIGNALS = { fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** Makes an empty database cluster and starts it. Needs Debian's `postgresql` (see `isMissing("postgres-programs")`). */
export async function startPostgresInstance({
  settings = {},
}: PostgresInstanceOptions = {}): Promise<PostgresInstance> {
  const folder = temporaryFolder();
  const account = ownerAccount();
  const data = folder.file("data");
  let running: Child | undefined;
  const dispose = async () => {
    try {
      await end(running, "fast");
    } finally {
      folder[Symbol.dispose]();
    }
  };
  try {
    if (account !== undefined) chownSync(folder.path, account.uid, account.gid);
    await initialize(data, account);
    const port = await freePort();
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    const instance: PostgresInstance = {
      url,
      port,
      start: async (role = "primary") => {
        if (running === undefined && role === "standby") writeFileSync(join(data, "standby.signal"), "");
        running ??= await startAgain(() =>
          startPostgres(data, { ...OWN_SETTINGS, port, ...settings }, account),
        );
      },
      stop: async (manner = "fast") => {
        await end(running, manner);
        running = undefined;
      },
      kill9: async () => {
        running?.signal("SIGKILL");
        await running?.exited(STOP_MS);
        running = undefined;
      },
      query: (text, values) => query(url, text, values),
      terminateSessions: (percent, chance) => terminateSessions(url, percent, chance),
      [Symbol.asyncDispose]: dispose,
    };
    await instance.start();
    return instance;
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** TCP alone; and no more memory than a test needs. */
const OWN_SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "32MB",
};

/** PostgreSQL refuses to run as root; Debian's package brings an account for it. */
function ownerAccount(): Account {
  if (process.getuid?.() !== 0) return undefined;
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  if (uid === undefined) throw new Error("there is no account postgres: apt-get install postgresql");
  return { uid: Number(uid), gid: Number(gid) };
}

/** A program of the newest version that is installed. */
function programOf(name: string): string {
  const versions = readdirSync(VERSIONS_FOLDER).sort((a, b) => Number(b) - Number(a));
  return `${VERSIONS_FOLDER}/${versions[0]}/bin/${name}`;
}

async function initialize(data: string, account: Account): Promise<void> {
  const options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"];
  const child = startChild(programOf("initdb"), [`--pgdata=${data}`, ...options], childOptions(account));
  const { code } = await child.exited(INITDB_MS);
  if (code !== 0) throw new Error(`initdb failed:\n${child.stderr()}`);
}

/** As if by hand in the foreground, its log on standard output, until it is ready. */
async function startPostgres(
  data: string,
  settings: Readonly<Record<string, string | number>>,
  account: Account,
): Promise<Child> {
  const parameters = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = ["-c", 'exec "$0" "$@" 2>&1', programOf("postgres"), "-D", data, ...parameters];
  const child = startChild("/bin/sh", command, childOptions(account));
  try {
    await child.line(/database system is ready to accept (?:read-only )?connections/, START_MS);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Our folder may be one that the account cannot look into. */
function childOptions(account: Account) {
  return { folder: "/", ...(account === undefined ? {} : { account }) };
}

/** Starts, again and again while processes of one that was killed still hold its shared memory. */
async function startAgain(start: () => Promise<Child>): Promise<Child> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      const isHeld = error instanceof Error && /still in use|postmaster\.pid/.test(error.message);
      if (!isHeld || attempt === START_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
    }
  }
}

async function end(running: Child | undefined, manner: StopManner): Promise<void> {
  running?.signal(SIGNALS[manner]);
  await running?.exited(STOP_MS);
}

async function query(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  // A session that is terminated while nobody asks: the next query says so.
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

async function terminateSessions(url: string, percent: number, chance: Prng): Promise<number> {
  const sessions = await query(
    url,
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid",
  );
  const chosen = sessions.map(({ pid }) => pid).filter(() => chance.integer(1, 100) <= percent);
  if (chosen.length > 0)
    await query(url, "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", [chosen]);
  return chosen.length;
}
