import { type Clock, systemClock } from "../clock.js";
import { parseEndpoint } from "../endpoint.js";
import { QueueError } from "../errors.js";
import type { HttpClient, TokenSource } from "../http-client.js";
import { randomFraction } from "../ids.js";
import { CLIENT_DEADLINE_MS, CLIENT_TIMEOUT_MS, POLLING_INTERVAL_MS_DEFAULT } from "../limits.js";
import type { ProjectPrefix } from "../names.js";
import { undiciClient } from "../undici-client.js";

/** How to reach a server. Either `endpoint` or `client` is needed; with both, the client sends and the endpoint is proved. */
export interface HttpStoreOptions {
  /** Where the server is: `http://127.0.0.1:8085`, perhaps with a path that stands before every other. */
  readonly endpoint?: string | undefined;
  /** Sends requests; closed with the store. Default: undici over sockets to `endpoint`. */
  readonly client?: HttpClient | undefined;
  /** Put before the project on every call. Default `s~`: the one form that App Engine took for all methods. */
  readonly projectPrefix?: ProjectPrefix | undefined;
  /** Who gives access tokens; not closed with the store. Default: none are sent. Refused where they would travel in the clear. */
  readonly tokens?: TokenSource | undefined;
  /** How long the server may take to answer one request, in milliseconds. Default `CLIENT_TIMEOUT_MS`. */
  readonly timeoutMs?: number | undefined;
  /** How long after its start a failed operation is still repeated, in milliseconds; leases that wait also for as long as they would. Default `CLIENT_DEADLINE_MS`. */
  readonly deadlineMs?: number | undefined;
  /** How often a server that cannot wait is asked while a lease waits, in milliseconds. Default `POLLING_INTERVAL_MS_DEFAULT`. */
  readonly pollingIntervalMs?: number | undefined;
  /** Hears of each attempt that failed and is repeated after a pause; must not throw. Default: nobody. */
  readonly onRetry?: ((error: QueueError) => void) | undefined;
  /** For time limits, pauses and polling; the server's own clock decides about leases. Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Chance from 0 to below 1, for pauses. Default: random. */
  readonly random?: (() => number) | undefined;
}

/** The same with everything decided. */
export interface HttpStoreSettings {
  readonly client: HttpClient;
  readonly projectPrefix: ProjectPrefix;
  readonly tokens: TokenSource | undefined;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly pollingIntervalMs: number;
  readonly onRetry: ((error: QueueError) => void) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Proves options and fills in defaults. Throws `invalid_argument`. */
export function httpStoreSettings(options: HttpStoreOptions): HttpStoreSettings {
  const { endpoint, tokens } = options;
  if (endpoint !== undefined && tokens !== undefined && !parseEndpoint(endpoint).confidential) {
    throw new QueueError(
      "invalid_argument",
      `access tokens are sent over https or to this machine alone, got the endpoint ${endpoint}; use https, or a tunnel to 127.0.0.1`,
      { location: "endpoint" },
    );
  }
  const clock = options.clock ?? systemClock();
  const settings = {
    projectPrefix: options.projectPrefix ?? "s~",
    tokens,
    timeoutMs: options.timeoutMs ?? CLIENT_TIMEOUT_MS,
    deadlineMs: options.deadlineMs ?? CLIENT_DEADLINE_MS,
    pollingIntervalMs: options.pollingIntervalMs ?? POLLING_INTERVAL_MS_DEFAULT,
    onRetry: options.onRetry,
    clock,
    random: options.random ?? randomFraction,
  };
  for (const name of ["timeoutMs", "deadlineMs", "pollingIntervalMs"] as const) {
    if (Number.isFinite(settings[name]) && settings[name] > 0) continue;
    throw new QueueError(
      "invalid_argument",
      `${name} is a positive number of milliseconds, got ${settings[name]}`,
      {
        location: name,
      },
    );
  }
  if (!/^(?:[a-z]~)?$/.test(settings.projectPrefix)) {
    throw new QueueError(
      "invalid_argument",
      `projectPrefix is a letter and a tilde such as s~, or empty, got ${JSON.stringify(settings.projectPrefix)}`,
      { location: "projectPrefix" },
    );
  }
  return Object.freeze({ ...settings, client: options.client ?? clientFor(endpoint, clock) });
}

function clientFor(endpoint: string | undefined, clock: Clock): HttpClient {
  if (endpoint !== undefined) return undiciClient({ endpoint, clock });
  throw new QueueError("invalid_argument", "give the server's endpoint, such as http://127.0.0.1:8085", {
    location: "endpoint",
  });
}
