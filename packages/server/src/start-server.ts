import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { type Clock, type QueueAdmin, QueueError, type QueueStore, systemClock } from "@pullqueue/core";
import { applyQueueFile } from "./apply-queues.js";
import { readTextFile } from "./config.js";
import type { ServerConfig } from "./config-options.js";
import { createDoors } from "./handler.js";
import { CLOSE_GRACE_MS } from "./limits.js";
import { createLog, type Log } from "./log.js";
import { ServerMetrics } from "./metrics/server-metrics.js";
import { joinObservers } from "./metrics/store-metrics.js";
import { createHttpServer } from "./node-listener.js";
import { openConfiguredStore } from "./open-configured-store.js";
import { parseQueueYaml, projectOfFile, type QueueFile } from "./queue-yaml.js";
import { openSecurity, type Security } from "./security.js";
import { Sweeper } from "./sweeper.js";
import { taskLog } from "./task-log.js";
import { trackSockets } from "./tls.js";

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:8085`. */
  readonly url: string;
  readonly port: number;
  /** Whether it has files that `reload` reads again. */
  readonly reloads: boolean;
  /** What whoever started it should read: sentences, one a line. */
  readonly notices: readonly string[];
  /**
   * Reads certificate, tokens and keys again, as on SIGHUP; connections go on. Never rejects: what cannot be used is
   * logged as an error, and what was there before goes on to count.
   */
  reload(): Promise<void>;
  /**
   * Stops accepting, answers waiting leases with 503, so that their clients ask again a little later, lets running
   * requests finish for up to `CLOSE_GRACE_MS`, then closes connections and the store. Idempotent; concurrent calls share one promise.
   */
  close(): Promise<void>;
}

/** What a test or an embedding program replaces. */
export interface StartOptions {
  /** Default: what `config.store` names. The server closes it either way. */
  readonly store?: QueueStore & QueueAdmin;
  /** Default: standard error, as configured. */
  readonly log?: Log;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Ends waiting for a database that is away; its reason is thrown unchanged. A running server is ended by `close`. */
  readonly signal?: AbortSignal;
}

/**
 * Opens the store, applies queue.yaml and listens; prints nothing but its log. Rejects with `invalid_argument` for a bad
 * file and with `unavailable` when the port or the store cannot be had; nothing stays open then.
 */
export async function startServer(config: ServerConfig, options: StartOptions = {}): Promise<RunningServer> {
  const log = options.log ?? createLog({ level: config.logLevel, format: config.logFormat });
  const clock = options.clock ?? systemClock();
  const configured = await readConfiguredQueues(config);
  const security = await openSecurity(config, { clock, log });
  const metrics = new ServerMetrics(clock);
  const opened =
    options.store ??
    (await openConfiguredStore(
      config,
      {
        clock,
        createQueues: configured === undefined,
        observer: joinObservers(taskLog(log), metrics.observer),
      },
      { clock, log, signal: options.signal },
    ));
  const store = metrics.watch(opened);
  try {
    const notices = [
      ...(await applyConfiguredQueues(configured, store)),
      ...aclNotices(configured, security),
    ];
    const closing = new AbortController();
    const doors = createDoors({
      store,
      prefix: config.prefix,
      publicUrl: config.publicUrl,
      corsOrigins: config.corsOrigins,
      closing: closing.signal,
      managesQueues: configured === undefined,
      metrics,
      authentication: security.authentication,
      log,
      clock,
    });
    const server = createHttpServer(
      doors,
      { ...config, tls: security.tls },
      {
        closing: closing.signal,
        clock,
        onRefused: ({ id, status, message }) => {
          metrics.requests.refused(status);
          log.info({ request: id, status, reason: message }, "not a request");
        },
      },
    );
    metrics.watchConnections(promisify(server.getConnections.bind(server)));
    await listen(server, config);
    const sweeper = new Sweeper({ store, clock, intervalMs: config.sweepIntervalMs, log });
    return runningServer(server, config, { notices, closing, sweeper, metrics, store, clock, security });
  } catch (error) {
    await metrics.close();
    await store.close();
    throw error;
  }
}

/** A queue.yaml, the project it is for, and where it was found. */
interface ConfiguredQueues {
  readonly file: QueueFile;
  readonly fileName: string;
  readonly project: string;
}

async function readConfiguredQueues(config: ServerConfig): Promise<ConfiguredQueues | undefined> {
  const fileName = config.queues;
  if (fileName === undefined) return undefined;
  const file = parseQueueYaml(await readTextFile(fileName, "--queues (PULLQUEUE_QUEUES)"), fileName);
  return { file, fileName, project: projectOfFile(file, config.project) };
}

async function applyConfiguredQueues(
  configured: ConfiguredQueues | undefined,
  store: QueueAdmin,
): Promise<readonly string[]> {
  if (configured === undefined) {
    return ["no queue.yaml: any project is served, and queues come into being on first use (see --queues)"];
  }
  const { file, fileName, project } = configured;
  const { disabled, resumed } = await applyQueueFile(store, project, file);
  return [
    `serving ${file.queues.size === 1 ? "the one queue" : `the ${file.queues.size} queues`} of ${fileName} for the project "${project}"`,
    ...file.warnings,
    ...disabled.map((queue) => `the queue "${queue}" is not in ${fileName} and is disabled now`),
    ...resumed.map((queue) => `the queue "${queue}" was paused and goes on now (resume_paused_queues)`),
  ];
}

/** For a file with an `acl` where nobody is asked who they are. */
function aclNotices(
  configured: ConfiguredQueues | undefined,
  { authentication }: Security,
): readonly string[] {
  const settings = [...(configured?.file.queues.values() ?? [])];
  return authentication === undefined && settings.some(({ acl }) => acl !== undefined)
    ? ["acl is kept and shown, and not enforced: this server does not ask who is calling (see --auth)"]
    : [];
}

async function listen(server: Server, { host, port }: ServerConfig): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice =
      code === "EADDRINUSE"
        ? "it is in use; choose another with --port (0 picks a free one)"
        : `the system refused it (${code ?? "unknown error"})`;
    throw new QueueError("unavailable", `cannot listen on ${host}, port ${port}: ${advice}`, {
      cause: error,
    });
  }
}

/** What a server is made of, and closes with. */
interface ServerParts {
  readonly notices: readonly string[];
  readonly closing: AbortController;
  readonly sweeper: Sweeper;
  readonly metrics: ServerMetrics;
  readonly store: QueueStore;
  readonly clock: Clock;
  readonly security: Security;
}

function runningServer(server: Server, { host }: ServerConfig, parts: ServerParts): RunningServer {
  const { port } = server.address() as AddressInfo;
  const { notices, security } = parts;
  const endSockets = trackSockets(server);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= closeServer(server, endSockets, parts);
    return closed;
  };
  const scheme = security.tls === undefined ? "http" : "https";
  return Object.freeze({
    url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`,
    port,
    notices,
    reloads: security.reloads,
    reload: () => security.reload(server),
    close,
    [Symbol.asyncDispose]: close,
  });
}

async function closeServer(
  server: Server,
  endSockets: () => void,
  { closing, sweeper, metrics, store, clock }: ServerParts,
): Promise<void> {
  // Idle connections end here; those with a request end with its answer, because `closing` is aborted by then.
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  closing.abort(new QueueError("closed", "the server is closing"));
  const cancel = clock.timer(CLOSE_GRACE_MS, endSockets);
  await Promise.all([ended, sweeper.stop()]);
  cancel();
  await metrics.close();
  await store.close();
}
