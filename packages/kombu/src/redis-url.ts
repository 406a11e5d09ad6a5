import { passwordInUrl } from "./password.js";
import { type RedisSettings, redisDefaults } from "./redis-options.js";

/** Addresses of Redis as one line, read and written: redis://, rediss://, redis+socket://, sentinel://. */

/** The parts of a URL, percent-decoded. */
export interface RedisUrlParts {
  readonly scheme: string;
  readonly user: string;
  readonly password: string;
  /** As it stands in the URL: an IPv6 address keeps its brackets. */
  readonly host: string;
  readonly port: string;
  readonly path: string;
}

/** What a URL's parts say, as a program would have written it. */
export interface RedisUrlOptions {
  readonly options: Readonly<Record<string, unknown>>;
  readonly complaints: readonly string[];
}

/** The schemes that are read here. */
export const REDIS_SCHEMES: readonly string[] = ["redis", "rediss", "redis+socket", "sentinel"];

/** Reads the parts of one address, or of several sentinels; what they say beside their address stands in the last. */
export function readRedisUrl(addresses: readonly RedisUrlParts[]): RedisUrlOptions {
  const parts = addresses.at(-1)!;
  const { scheme, user, password, path } = parts;
  const isSocket = scheme === "redis+socket";
  const database = isSocket ? "" : path.replace(/^\//, "").replace(/\/$/, "");
  const options = {
    ...placeOf(addresses),
    ...(user === "" ? {} : { username: user }),
    ...(password === "" ? {} : { password }),
    ...(database === "" ? {} : { database: /^[0-9]+$/.test(database) ? Number(database) : database }),
    ...(scheme === "rediss" ? { tls: true } : {}),
  };
  const complaints = [
    ...(isSocket && (path === "" || parts.port !== "")
      ? ["expected redis+socket:///absolute/path.sock?virtual_host=0"]
      : []),
    ...(addresses.every((address) => address.scheme === scheme)
      ? []
      : ["all addresses must begin the same way"]),
    ...(addresses.length > 1 && scheme !== "sentinel"
      ? ["only sentinels can be several, separated by ;"]
      : []),
  ];
  return { options, complaints };
}

function placeOf(addresses: readonly RedisUrlParts[]): Readonly<Record<string, unknown>> {
  const { scheme, host, port, path } = addresses.at(-1)!;
  if (scheme === "redis+socket") return { socketPath: `${host}${path}` };
  if (scheme === "sentinel") {
    return {
      sentinels: addresses.map(
        (one) => `${one.host || redisDefaults.host}${one.port === "" ? "" : `:${one.port}`}`,
      ),
    };
  }
  return {
    ...(host === "" ? {} : { host: host.replace(/^\[(.*)\]$/, "$1") }),
    ...(port === "" ? {} : { port: Number(port) }),
  };
}

/** The URL that says the same; options at their defaults are left out. */
export function formatRedisUrl(settings: RedisSettings, mask: string | undefined): string {
  const { username = "", password, database, socketPath, sentinels, server, tls } = settings;
  const secret = password === undefined ? "" : `:${passwordInUrl(password, mask)}`;
  const user = username === "" && secret === "" ? "" : `${encodeURIComponent(username)}${secret}@`;
  const query = queryOf(settings);
  const text = query.size === 0 ? "" : `?${query}`;
  if (socketPath !== undefined) {
    const path = socketPath.split("/").map(encodeURIComponent).join("/");
    return `redis+socket://${user}${path}${text}`;
  }
  const address = ({ host, port }: RedisSettings["server"], defaultPort: number) =>
    `${host.includes(":") ? `[${host}]` : host}${port === defaultPort ? "" : `:${port}`}`;
  if (sentinels.length > 0) {
    const all = sentinels.map((one) => address(one, redisDefaults.sentinelPort));
    const last = all.pop()!;
    return `${all.map((one) => `sentinel://${one};`).join("")}sentinel://${user}${last}/${database}${text}`;
  }
  return `redis${tls === undefined ? "" : "s"}://${user}${address(server, redisDefaults.port)}/${database}${text}`;
}

/** Options that are not at their defaults, under kombu's names where it has them. */
function queryOf(settings: RedisSettings): URLSearchParams {
  const d = redisDefaults;
  const { tls, leaseMs, visibilityTimeoutMs, database, fanoutPrefix } = settings;
  const seconds = (ms: number, standard: number) => (ms === standard ? undefined : ms / 1000);
  const other = <T>(value: T, standard: T) => (value === standard ? undefined : value);
  const options: Readonly<Record<string, string | number | boolean | undefined>> = {
    virtual_host: settings.socketPath === undefined ? undefined : other<number>(database, d.database),
    master_name: settings.masterName,
    ssl_cert_reqs: tls?.verify === false ? "none" : undefined,
    ssl_check_hostname: tls?.checkHostname === false ? false : undefined,
    ssl_ca_certs: tls?.caFile,
    ssl_certfile: tls?.certFile,
    ssl_keyfile: tls?.keyFile,
    visibility_timeout: seconds(visibilityTimeoutMs, d.visibilityTimeoutMs),
    leaseMs: other(leaseMs, visibilityTimeoutMs),
    polling_interval: seconds(settings.pollingIntervalMs, d.pollingIntervalMs),
    numTasks: settings.numTasks,
    holdMsMax: settings.holdMsMax,
    leaseRenewal: other<string>(settings.leaseRenewal, d.leaseRenewal),
    global_keyprefix: other<string>(settings.globalKeyprefix, d.globalKeyprefix),
    sep: other<string>(settings.sep, d.sep),
    urgentFirst: other<string>(settings.urgentFirst, d.urgentFirst),
    unacked_key: other<string>(settings.unackedKey, d.unackedKey),
    unacked_index_key: other<string>(settings.unackedIndexKey, d.unackedIndexKey),
    unacked_restore_limit: other<number>(settings.unackedRestoreLimit, d.unackedRestoreLimit),
    fanout_prefix: fanoutPrefix === "" ? false : other(fanoutPrefix, `/${database}.`),
    fanout_patterns: other<boolean>(settings.fanoutPatterns, d.fanoutPatterns),
    deadletter_queue: settings.deadletterQueue,
    deliveryCount: other<boolean>(settings.deliveryCount, d.deliveryCount),
    socket_connect_timeout: seconds(settings.socketConnectTimeoutMs, d.socketConnectTimeoutMs),
    socket_timeout: seconds(settings.socketTimeoutMs, d.socketTimeoutMs),
    health_check_interval: seconds(settings.healthCheckIntervalMs, d.healthCheckIntervalMs),
    client_name: settings.clientName,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options))
    if (value !== undefined) query.set(name, String(value));
  return query;
}
