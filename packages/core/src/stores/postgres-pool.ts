import { QueueError } from "../errors.js";
import {
  POSTGRES_CONNECT_TIMEOUT_MS,
  POSTGRES_CONNECTIONS_DEFAULT,
  POSTGRES_IDLE_CONNECTION_MS,
  POSTGRES_QUERY_TIMEOUT_MS,
} from "../limits.js";

/** One row of an answer, its columns by name. */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** A statement as the client takes it. */
export interface PostgresQuery {
  readonly text: string;
  /** Prepared under this name, once for each connection. */
  readonly name?: string;
  readonly values?: readonly unknown[];
  /** How long the client waits for the answer, in milliseconds, where that is not as always. */
  readonly query_timeout?: number;
  /** How columns are read. */
  readonly types?: { getTypeParser(oid: number, format?: string): (text: string) => unknown };
}

/** The answer to a statement. */
export interface PostgresResult {
  readonly rows: readonly PostgresRow[];
  readonly rowCount: number | null;
}

/** The few methods of pg's `PoolClient` that the store uses. */
export interface PostgresClient {
  query(query: PostgresQuery): Promise<PostgresResult>;
  /** Whether queries are sent without waiting for the answers of those before (pg from 8.23, where its owner asks for it). */
  readonly pipeline?: boolean;
  /** With true the connection is closed instead of used again. */
  release(destroy?: boolean): void;
  on(event: "notification", listener: (message: { readonly payload?: string | undefined }) => void): unknown;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

/** The few methods of pg's `Pool` that the store uses. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  end(): Promise<void>;
  on(event: "error", listener: (error: unknown) => void): unknown;
  /** How long a query waits for its answer, in milliseconds, where its owner limits that. */
  readonly options?: { readonly query_timeout?: number | undefined };
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

/** Where a store's schema is when its address says nothing else. */
const SCHEMA_DEFAULT = "pullqueue";

/** Names of schemas that need no quoting and that no other name is folded into. */
const SCHEMA_PATTERN = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * What an address may say after `?`: ours, those of libpq that make sense here or that hosts of databases put into theirs, and pg's.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
const ADDRESS_PARAMETERS: ReadonlySet<string> = new Set(
  `schema application_name fallback_application_name options user password host hostaddr port dbname database
  sslmode ssl sslcert sslkey sslpassword sslrootcert sslcrl sslcompression sslsni sslnegotiation uselibpqcompat gssencmode krbsrvname
  require_auth channel_binding target_session_attrs load_balance_hosts client_encoding connect_timeout keepalives keepalives_idle
  keepalives_interval keepalives_count tcp_user_timeout statement_timeout lock_timeout idle_in_transaction_session_timeout
  pgbouncer pool_mode`.split(/\s+/),
);

/** Where the tables are: the option, else `?schema=` of the URL, else `pullqueue`. Throws `invalid_argument`. */
export function schemaOf(url: string | undefined, option: string | undefined): string {
  const schema =
    option ?? (url === undefined ? undefined : parseUrl(url).searchParams.get("schema")) ?? SCHEMA_DEFAULT;
  if (SCHEMA_PATTERN.test(schema) && !schema.startsWith("pg_")) return schema;
  throw new QueueError(
    "invalid_argument",
    `the schema of a PostgreSQL store is a name of lower-case letters, digits and underscores that does not begin with pg_ or a digit; got ${JSON.stringify(schema)}`,
    { location: "schema" },
  );
}

/** A pool of connections to the database at a URL. Imports pg; `not_supported` when it is not installed. */
export async function openPool(url: string, connectionsMax: number | undefined): Promise<PostgresPool> {
  const address = parseUrl(url);
  address.searchParams.delete("schema");
  const { default: pg } = await import("pg").catch((cause: unknown) => {
    throw new QueueError(
      "not_supported",
      "the PostgreSQL store needs the package pg: run npm install pg, or pass a pool of it in the option `pool`",
      { cause },
    );
  });
  const options = {
    connectionString: address.href,
    application_name: address.searchParams.get("application_name") ?? "pullqueue",
    // One more, which listens.
    max: (connectionsMax ?? POSTGRES_CONNECTIONS_DEFAULT) + 1,
    connectionTimeoutMillis: POSTGRES_CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: POSTGRES_IDLE_CONNECTION_MS,
    query_timeout: POSTGRES_QUERY_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    allowExitOnIdle: true,
  };
  try {
    return new pg.Pool(options) as unknown as PostgresPool;
  } catch (cause) {
    throw badUrl(cause);
  }
}

/** Its message shows nothing of the URL, which may hold a password. */
function parseUrl(url: string): URL {
  let address: URL;
  try {
    address = new URL(url);
  } catch (cause) {
    throw badUrl(cause);
  }
  // A password with a bare "?" would have its rest here.
  if (address.search.includes("@")) throw badUrl(undefined);
  // As libpq does: with a mistyped `schema` a server would go on in another one, and find nothing there.
  const unknown = [...address.searchParams.keys()].find((name) => !ADDRESS_PARAMETERS.has(name));
  if (unknown === undefined) return address;
  throw new QueueError(
    "invalid_argument",
    `the address of a PostgreSQL store has the parameter ${JSON.stringify(unknown)}, which means nothing; expected schema, sslmode, sslrootcert, application_name or another of libpq's`,
    { location: "store" },
  );
}

function badUrl(cause: unknown): QueueError {
  return new QueueError(
    "invalid_argument",
    "the address of a PostgreSQL store is postgres://user:password@host:port/database, percent-encoded where needed; got something else",
    { location: "store", cause },
  );
}
