import { isIP } from "node:net";
import { limits as core, parseProject, parseStoreAddress } from "@pullqueue/core";
import { AUTH_OPTIONS } from "./auth/auth-options.js";
import { CONNECTIONS_MAX, HEADERS_TIMEOUT_MS, KEEP_ALIVE_MS, REQUEST_TIMEOUT_MS } from "./limits.js";
import { LOG_FORMATS, LOG_LEVELS } from "./log.js";
import { expected, integer, listOf, oneOf, type ServeOption, text } from "./option-readers.js";

/** Every option of the server: one table for flags, environment variables, file keys, help and checks. */

/** The first port of the App Engine development server's neighbours; free on most machines. */
const DEFAULT_PORT = 8085;

/** Where a server that was told nothing keeps its tasks, relative to where it was started. */
const DEFAULT_STORE = "sqlite:.pullqueue/queue.db";

/** The table. */
export const SERVE_OPTIONS = {
  host: {
    flag: "--host",
    value: "address",
    variable: "PULLQUEUE_HOST",
    description: "address to listen on; other than loopback only with --auth",
    default: "127.0.0.1",
    read: readHost,
  },
  port: {
    flag: "--port",
    value: "number",
    variable: "PULLQUEUE_PORT",
    description: "port to listen on; 0 picks a free one",
    default: DEFAULT_PORT,
    read: integer(0, 65_535),
  },
  store: {
    flag: "--store",
    value: "address",
    variable: "PULLQUEUE_STORE",
    description: "where tasks are kept: memory:, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
    default: DEFAULT_STORE,
    read: readStore,
  },
  queues: {
    flag: "--queues",
    value: "file",
    variable: "PULLQUEUE_QUEUES",
    description: "a queue.yaml; without one, any queue comes into being on first use",
    default: undefined,
    read: text,
  } as ServeOption<string | undefined>,
  project: {
    flag: "--project",
    value: "id",
    variable: "PULLQUEUE_PROJECT",
    description: "the project of the queues in --queues, unless the file names it",
    default: undefined,
    read: (given) => parseProject(text(given)),
  } as ServeOption<string | undefined>,
  prefix: {
    flag: "--prefix",
    value: "x~",
    variable: "PULLQUEUE_PREFIX",
    description: "shown before projects in answers, as App Engine did: s~, e~ or nothing",
    default: "s~",
    read: readPrefix,
  },
  publicUrl: {
    flag: "--public-url",
    value: "url",
    variable: "PULLQUEUE_PUBLIC_URL",
    description: "where clients reach this server, when a proxy stands before it; its name is answered by",
    default: undefined,
    read: readUrl,
  } as ServeOption<string | undefined>,
  corsOrigins: {
    flag: "--cors-origins",
    value: "list",
    variable: "PULLQUEUE_CORS_ORIGINS",
    description: "origins of web pages that may call, separated by commas, or * (with authentication only)",
    default: undefined,
    read: readOrigins,
  } as ServeOption<readonly string[] | undefined>,
  logLevel: {
    flag: "--log-level",
    value: "level",
    variable: "PULLQUEUE_LOG_LEVEL",
    description: `how much is logged: ${LOG_LEVELS.join(", ")}; debug shows every request`,
    default: "info",
    read: oneOf(LOG_LEVELS),
  } as ServeOption<(typeof LOG_LEVELS)[number]>,
  logFormat: {
    flag: "--log-format",
    value: "format",
    variable: "PULLQUEUE_LOG_FORMAT",
    description: `how it is logged: ${LOG_FORMATS.join(", ")}; auto is pretty on a terminal`,
    default: "auto",
    read: oneOf(LOG_FORMATS),
  } as ServeOption<(typeof LOG_FORMATS)[number]>,
  queuesMax: {
    flag: "--queues-max",
    value: "number",
    variable: "PULLQUEUE_QUEUES_MAX",
    description: "most queues that the store may hold",
    default: core.QUEUES_MAX_DEFAULT,
    read: integer(1, 1_000_000),
  },
  tombstoneMs: {
    flag: "--tombstone-ms",
    value: "ms",
    variable: "PULLQUEUE_TOMBSTONE_MS",
    description: "how long the chosen id of a finished task stays taken",
    default: core.TOMBSTONE_MS_DEFAULT,
    read: integer(0, 10 * core.TOMBSTONE_MS_DEFAULT),
  },
  sweepIntervalMs: {
    flag: "--sweep-interval-ms",
    value: "ms",
    variable: "PULLQUEUE_SWEEP_INTERVAL_MS",
    description: "how often what time has ended is removed from the store; 0: never, another process does",
    default: core.SWEEP_INTERVAL_MS,
    read: integer(0, 24 * 3_600_000),
  },
  connectionsMax: {
    flag: "--connections-max",
    value: "number",
    variable: "PULLQUEUE_CONNECTIONS_MAX",
    description: "most connections at once; a waiting lease holds one",
    default: CONNECTIONS_MAX,
    read: integer(1, 1_000_000),
  },
  headersTimeoutMs: {
    flag: "--headers-timeout-ms",
    value: "ms",
    variable: "PULLQUEUE_HEADERS_TIMEOUT_MS",
    description: "how long a client may take to send a request's headers",
    default: HEADERS_TIMEOUT_MS,
    read: integer(1, 3_600_000),
  },
  requestTimeoutMs: {
    flag: "--request-timeout-ms",
    value: "ms",
    variable: "PULLQUEUE_REQUEST_TIMEOUT_MS",
    description: "how long a client may take to send a whole request",
    default: REQUEST_TIMEOUT_MS,
    read: integer(1, 3_600_000),
  },
  keepAliveMs: {
    flag: "--keep-alive-ms",
    value: "ms",
    variable: "PULLQUEUE_KEEP_ALIVE_MS",
    description: "how long an idle connection stays open",
    default: KEEP_ALIVE_MS,
    read: integer(1, 3_600_000),
  },
  ...AUTH_OPTIONS,
} as const satisfies Record<string, ServeOption<unknown>>;

/** The name of an option. */
export type ServeOptionName = keyof typeof SERVE_OPTIONS;

/** The value of each option of `SERVE_OPTIONS`. */
export type ServerConfig = {
  readonly [Name in ServeOptionName]: ReturnType<(typeof SERVE_OPTIONS)[Name]["read"]>;
};

/** The file that may hold options, given by a flag or a variable only. */
export const CONFIG_FILE_OPTION = {
  flag: "--config",
  value: "file",
  variable: "PULLQUEUE_CONFIG",
  description: "a JSON or YAML file with these options; flags and variables go before it",
} as const;

function readStore(given: unknown): string {
  const address = text(given);
  parseStoreAddress(address);
  return address;
}

function readPrefix(given: unknown): string {
  if (given === "" || (typeof given === "string" && /^[a-z]~$/.test(given))) return given;
  throw expected("a letter and ~ such as s~, or nothing", given);
}

function readUrl(given: unknown): string {
  const url = URL.canParse(text(given)) ? new URL(text(given)) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "") {
    return url.origin;
  }
  throw expected("the root of a server such as https://queues.example.com", given);
}

/** A list in a file, or a text with commas. */
function readOrigins(given: unknown): readonly string[] {
  return listOf(readOrigin)(given);
}

function readOrigin(given: unknown): string {
  const origin = text(given);
  if (isOrigin(origin)) return origin;
  throw expected("origins such as https://pages.example.com, or *", given);
}

/** Exactly as a browser writes it: no path, no slash at the end, nothing in upper case, no port that goes without saying. */
function isOrigin(text: string): boolean {
  if (text === "*") return true;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || text.includes("*")) return false;
  // Only the usual schemes have an origin in Node's eyes; pages of browser extensions have one, too.
  return url.origin === "null" ? /^[a-z-]+-extension:\/\/[^/?#]+$/.test(text) : url.origin === text;
}

function readHost(given: unknown): string {
  const host = text(given);
  if (isIP(host) !== 0 || /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(host)) return host;
  throw expected("an address or a name to listen on such as 127.0.0.1, 0.0.0.0 or ::", given);
}
