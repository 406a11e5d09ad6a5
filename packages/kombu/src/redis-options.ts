import type { ConnectRetryOptions } from "./connect-retry.js";
import { REDIS_SWEEP_ITEMS } from "./limits.js";
import type { PasswordFunction } from "./password.js";
import type { RedisFixedOptions } from "./redis-fixed-specs.js";
import type { LeaseRenewal, RenewalOptions } from "./renewal-options.js";

/**
 * What may be said about a connection to Redis, and what holds when nothing is. Kombu's own options are taken under its names
 * and in its units too; they decide where things lie, so that all programs on one database must say the same.
 */

/** Options of the transport `redis`. */
export interface RedisOptions extends RedisFixedOptions, RenewalOptions, ConnectRetryOptions {
  /** Default `localhost`. */
  readonly host?: string;
  /** Default 6379. */
  readonly port?: number;
  /** Path of a UNIX socket, instead of host and port. */
  readonly socketPath?: string;
  /** Addresses (`host:port`) of sentinels, which say where the master is; with `masterName`. */
  readonly sentinels?: readonly string[];
  readonly masterName?: string;
  readonly master_name?: string;
  /** What the sentinels themselves ask for. */
  readonly sentinelPassword?: string;
  readonly username?: string;
  /** A function is asked for each connection that is made; leases are then renewed by the event loop alone. */
  readonly password?: string | PasswordFunction;
  /** The database's number: kombu's virtual host. Default 0. */
  readonly database?: number;
  readonly virtual_host?: number;
  /** Speak TLS. The server's certificate is checked unless `sslCertReqs` says otherwise. Default false. */
  readonly tls?: boolean;
  /** `none` does not check the server's certificate, which lets anybody pose as the server. Default `required`. */
  readonly sslCertReqs?: "required" | "none";
  readonly ssl_cert_reqs?: string;
  /** Whether the certificate must be for this host. Default true. */
  readonly sslCheckHostname?: boolean;
  readonly ssl_check_hostname?: boolean;
  /** Path of the authorities' certificates. Default: those that Node knows. */
  readonly sslCaCerts?: string;
  readonly ssl_ca_certs?: string;
  /** Paths of our own certificate and its key. */
  readonly sslCertfile?: string;
  readonly ssl_certfile?: string;
  readonly sslKeyfile?: string;
  readonly ssl_keyfile?: string;
  /**
   * How long after its delivery a message is restored that nobody finished, in milliseconds. Default 3,600,000 (an hour), kombu's.
   * Must be the same in all programs on the database: each restores what is older than its own.
   */
  readonly visibilityTimeoutMs?: number;
  readonly visibility_timeout?: number;
  /**
   * How long a received message stays ours unless renewed, in milliseconds. Default: the visibility timeout. Where this is
   * shorter, messages of a killed process return sooner; all programs must then have the same visibility timeout, Python's too.
   */
  readonly leaseMs?: number;
  /** Pause between two looks, in milliseconds, where the server does not tell about changes. Default 1000. */
  readonly pollingIntervalMs?: number;
  readonly polling_interval?: number;
  /** Most messages taken at once. Default: as many as a consumer's prefetch has room for, and 1 without a prefetch. */
  readonly numTasks?: number;
  /** Longest time one message is held by renewals, in milliseconds. Default: as long as its handler runs. */
  readonly holdMsMax?: number;
  /** Stands before every key and channel. Default: nothing. */
  readonly globalKeyprefix?: string;
  readonly global_keyprefix?: string;
  /** Stands between a queue and its priority, and in bindings. Default: bytes 06 16, kombu's. */
  readonly sep?: string;
  /** The priorities that have a list of their own, ascending from 0. Default 0, 3, 6, 9, kombu's. */
  readonly prioritySteps?: readonly number[];
  readonly priority_steps?: readonly number[];
  /** Whose turn is first: `lowest` as with kombu on Redis (0 before 9), or `highest` as on AMQP. Default `lowest`. */
  readonly urgentFirst?: "lowest" | "highest";
  /** Names of the hash and the sorted set of what is held. Default `unacked` and `unacked_index`, kombu's. */
  readonly unackedKey?: string;
  readonly unacked_key?: string;
  readonly unackedIndexKey?: string;
  readonly unacked_index_key?: string;
  /** Most messages restored by one look for ended leases. Default 100; kombu restores all at once. */
  readonly unackedRestoreLimit?: number;
  readonly unacked_restore_limit?: number;
  /** Before the channels of fanout exchanges: true is `/{db}.`, false nothing. Default true. */
  readonly fanoutPrefix?: boolean | string;
  readonly fanout_prefix?: boolean | string;
  /** Whether a fanout message's routing key is part of its channel. Default true. */
  readonly fanoutPatterns?: boolean;
  readonly fanout_patterns?: boolean;
  /** A queue for messages that no queue takes, which otherwise go nowhere. Each is told to `onWarning`. Default: none. */
  readonly deadletterQueue?: string;
  readonly deadletter_queue?: string;
  /** Counts deliveries in a header of the message (`x-delivery-count`), so that attempts are known everywhere. Default false. */
  readonly deliveryCount?: boolean;
  /** How long connecting may take, in milliseconds: kombu's name for `socketConnectTimeoutMs`. */
  readonly connectTimeoutMs?: number;
  readonly connect_timeout?: number;
  /**
   * How long connecting may take, and the answer to one command, in milliseconds; the connection is made anew then. Default 5000 both. Nothing that is
   * sent waits in the server; only messages of tens of megabytes over a slow network take that long.
   */
  readonly socketConnectTimeoutMs?: number;
  readonly socket_connect_timeout?: number;
  readonly socketTimeoutMs?: number;
  readonly socket_timeout?: number;
  /** How often idle sockets are tried, in milliseconds. Default 25,000, kombu's. */
  readonly healthCheckIntervalMs?: number;
  readonly health_check_interval?: number;
  /** What the server calls our sockets in `CLIENT LIST`. */
  readonly clientName?: string;
  readonly client_name?: string;
}

/** A server's address. */
interface RedisServer {
  readonly host: string;
  readonly port: number;
}

/** How TLS is spoken. Files are read when the transport opens. */
export interface RedisTls {
  readonly verify: boolean;
  readonly checkHostname: boolean;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** What holds for `redis`. The passwords are not enumerable, so that no log shows them. */
export interface RedisSettings {
  readonly server: RedisServer;
  readonly socketPath: string | undefined;
  readonly sentinels: readonly RedisServer[];
  readonly masterName: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly username: string | undefined;
  readonly password: string | PasswordFunction | undefined;
  readonly database: number;
  readonly tls: RedisTls | undefined;
  readonly visibilityTimeoutMs: number;
  readonly leaseMs: number;
  readonly pollingIntervalMs: number;
  /** Undefined: as many as the prefetch has room for. */
  readonly numTasks: number | undefined;
  /** Undefined: as long as the handler runs. */
  readonly holdMsMax: number | undefined;
  readonly leaseRenewal: LeaseRenewal;
  readonly globalKeyprefix: string;
  readonly sep: string;
  readonly prioritySteps: readonly number[];
  readonly urgentFirst: "lowest" | "highest";
  readonly unackedKey: string;
  readonly unackedIndexKey: string;
  readonly unackedRestoreLimit: number;
  /** As it is written, the database's number put in. */
  readonly fanoutPrefix: string;
  readonly fanoutPatterns: boolean;
  readonly deadletterQueue: string | undefined;
  readonly deliveryCount: boolean;
  readonly socketConnectTimeoutMs: number;
  readonly socketTimeoutMs: number;
  readonly healthCheckIntervalMs: number;
  readonly clientName: string | undefined;
}

/** What holds when nothing is said: kombu's own defaults, and for what kombu has not, see `RedisOptions`. */
export const redisDefaults = Object.freeze({
  host: "localhost",
  port: 6379,
  sentinelPort: 26379,
  database: 0,
  visibilityTimeoutMs: 3_600_000,
  pollingIntervalMs: 1000,
  leaseRenewal: "thread",
  globalKeyprefix: "",
  sep: "\x06\x16",
  prioritySteps: Object.freeze([0, 3, 6, 9]),
  urgentFirst: "lowest",
  unackedKey: "unacked",
  unackedIndexKey: "unacked_index",
  unackedRestoreLimit: REDIS_SWEEP_ITEMS,
  fanoutPrefix: true,
  fanoutPatterns: true,
  deliveryCount: false,
  socketConnectTimeoutMs: 5_000,
  socketTimeoutMs: 5_000,
  healthCheckIntervalMs: 25_000,
} as const);

/** Options after their checks, by our names and in our units. */
export type RedisValues = Readonly<Partial<Record<string, unknown>>>;

/** What cannot be meant together. */
export function redisContradictions(values: RedisValues): readonly string[] {
  const { tls, socketPath, sentinels, masterName, host, port } = values as RedisOptions;
  const certificates = ["sslCertReqs", "sslCheckHostname", "sslCaCerts", "sslCertfile", "sslKeyfile"];
  const unused = tls === true ? [] : certificates.filter((name) => values[name] !== undefined);
  const places = [host ?? port, socketPath, sentinels].filter((place) => place !== undefined);
  return [
    ...(unused.length > 0
      ? [`${unused.join(", ")} without tls would do nothing; say tls, or rediss:// in a URL`]
      : []),
    ...(places.length > 1
      ? ["host and port, socketPath, and sentinels say where the server is: give only one of them"]
      : []),
    ...(sentinels !== undefined && masterName === undefined
      ? ["masterName (or master_name) is missing: sentinels know several masters by their names"]
      : []),
    ...(values.connectTimeoutMs !== undefined && values.socketConnectTimeoutMs !== undefined
      ? ["connectTimeoutMs and socketConnectTimeoutMs are one option: give only one of them"]
      : []),
    ...(sentinels === undefined && masterName !== undefined
      ? ["masterName without sentinels would do nothing"]
      : []),
  ];
}

/** Everything known and frozen, from options that were checked. */
export function redisSettings(values: RedisValues): RedisSettings {
  const options = values as RedisOptions;
  const d = redisDefaults;
  const { visibilityTimeoutMs = d.visibilityTimeoutMs, database = d.database, password } = options;
  const settings = {
    server: { host: options.host ?? d.host, port: options.port ?? d.port },
    socketPath: options.socketPath,
    sentinels: (options.sentinels ?? []).map((address) => serverOf(address, d.sentinelPort)),
    masterName: options.masterName,
    sentinelPassword: options.sentinelPassword,
    username: options.username,
    password,
    database,
    tls: options.tls === true ? tlsOf(options) : undefined,
    visibilityTimeoutMs,
    leaseMs: options.leaseMs ?? visibilityTimeoutMs,
    pollingIntervalMs: options.pollingIntervalMs ?? d.pollingIntervalMs,
    numTasks: options.numTasks,
    holdMsMax: options.holdMsMax,
    leaseRenewal: options.leaseRenewal ?? d.leaseRenewal,
    globalKeyprefix: options.globalKeyprefix ?? d.globalKeyprefix,
    sep: options.sep ?? d.sep,
    prioritySteps: Object.freeze([...(options.prioritySteps ?? d.prioritySteps)]),
    urgentFirst: options.urgentFirst ?? d.urgentFirst,
    unackedKey: options.unackedKey ?? d.unackedKey,
    unackedIndexKey: options.unackedIndexKey ?? d.unackedIndexKey,
    unackedRestoreLimit: options.unackedRestoreLimit ?? d.unackedRestoreLimit,
    fanoutPrefix: fanoutPrefixOf(options.fanoutPrefix ?? d.fanoutPrefix, database),
    fanoutPatterns: options.fanoutPatterns ?? d.fanoutPatterns,
    deadletterQueue: options.deadletterQueue,
    deliveryCount: options.deliveryCount ?? d.deliveryCount,
    socketConnectTimeoutMs:
      options.socketConnectTimeoutMs ?? options.connectTimeoutMs ?? d.socketConnectTimeoutMs,
    socketTimeoutMs: options.socketTimeoutMs ?? d.socketTimeoutMs,
    healthCheckIntervalMs: options.healthCheckIntervalMs ?? d.healthCheckIntervalMs,
    clientName: options.clientName,
  };
  return Object.freeze(
    Object.defineProperties(settings, {
      password: { value: password, enumerable: false },
      sentinelPassword: { value: options.sentinelPassword, enumerable: false },
    }),
  );
}

/** `host:port`, or a host alone; an IPv6 address in brackets loses them. */
function serverOf(address: string, defaultPort: number): RedisServer {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::([0-9]+))?$/.exec(address) ?? [];
  return { host: bracketed ?? plain ?? address, port: port === undefined ? defaultPort : Number(port) };
}

function tlsOf(options: RedisOptions): RedisTls {
  return Object.freeze({
    verify: !/none$/i.test(options.sslCertReqs ?? ""),
    checkHostname: options.sslCheckHostname ?? true,
    caFile: options.sslCaCerts,
    certFile: options.sslCertfile,
    keyFile: options.sslKeyfile,
  });
}

/** A URL can only hold text. Kombu's template is `/{db}.`, and what is given instead may have the braces too. */
function fanoutPrefixOf(prefix: boolean | string, database: number): string {
  const isSwitch = /^(?:true|false)$/i.test(String(prefix));
  const template = isSwitch ? (/^true$/i.test(String(prefix)) ? "/{db}." : "") : String(prefix);
  return template.replaceAll("{db}", String(database));
}
