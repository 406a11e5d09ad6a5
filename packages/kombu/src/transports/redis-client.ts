import { readFileSync } from "node:fs";
import { fromQueueError, isKombuError, KombuError } from "../errors.js";
import type { RedisSettings, RedisTls } from "../redis-options.js";
import { GuardedConnector, guardedSentinels, type RedisConnectorClass } from "./redis-connector.js";
import { gatherWrites } from "./redis-gathering.js";
import { limitAnswers, type RedisSender } from "./redis-patience.js";

/** The foreign client, by what is used of it, and the door through which its errors come in. */

/** What a command may be given. */
export type RedisArgument = string | Uint8Array | number;

/** What we use of an ioredis client. */
export interface RedisClient extends RedisSender {
  call(command: string, ...args: readonly RedisArgument[]): Promise<unknown>;
  callBuffer(command: string, ...args: readonly RedisArgument[]): Promise<unknown>;
  subscribe(...channels: readonly RedisArgument[]): Promise<unknown>;
  unsubscribe(...channels: readonly RedisArgument[]): Promise<unknown>;
  psubscribe(...patterns: readonly RedisArgument[]): Promise<unknown>;
  punsubscribe(...patterns: readonly RedisArgument[]): Promise<unknown>;
  ping(): Promise<unknown>;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
}

type RedisClientClass = new (options: Readonly<Record<string, unknown>>) => RedisClient;

/** Makes clients of one connection, with the password of now. */
export type RedisClientFactory = (settings: RedisSettings, password: string | undefined) => RedisClient;

/** Loads the client's package. Error: `not_supported` where it is not installed. */
export async function loadRedisClient(): Promise<RedisClientFactory> {
  const module = await import("ioredis").catch((cause: unknown) => {
    throw new KombuError(
      "not_supported",
      "the transport redis needs the package ioredis (5 or newer): run npm install ioredis",
      { cause },
    );
  });
  const Client = module.Redis as unknown as RedisClientClass;
  const Sentinels = guardedSentinels(module.SentinelConnector as unknown as RedisConnectorClass);
  return (settings, password) => {
    const Connector = settings.sentinels.length > 0 ? Sentinels : GuardedConnector;
    const client = new Client({ ...clientOptions(settings), password, Connector });
    limitAnswers(client, settings.socketTimeoutMs);
    gatherWrites(client);
    return client;
  };
}

/** The client's options. It never reconnects or repeats by itself: `RedisLink` does, so that both sockets and all they knew come back together. */
function clientOptions(settings: RedisSettings): Readonly<Record<string, unknown>> {
  const { server, socketPath, sentinels, masterName, username, database, tls } = settings;
  const place =
    sentinels.length > 0
      ? {
          sentinels,
          name: masterName,
          sentinelPassword: settings.sentinelPassword,
          sentinelRetryStrategy: never,
        }
      : socketPath === undefined
        ? server
        : { path: socketPath };
  const secured = tls === undefined ? {} : { tls: tlsOptions(tls) };
  return {
    ...place,
    ...secured,
    ...(sentinels.length > 0 && tls !== undefined
      ? { sentinelTLS: secured.tls, enableTLSForSentinelMode: true }
      : {}),
    ...{ username, db: database, connectionName: settings.clientName },
    ...{ connectTimeout: settings.socketConnectTimeoutMs },
    // Changes of keys are told in the older protocol only, where one connection may listen for another.
    ...{ protocol: 2, lazyConnect: true, enableOfflineQueue: false, autoResubscribe: false },
    ...{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, retryStrategy: never },
    ...{ keepAlive: settings.healthCheckIntervalMs, disableClientInfo: true },
  };
}

function never(): null {
  return null;
}

function tlsOptions({
  verify,
  checkHostname,
  caFile,
  certFile,
  keyFile,
}: RedisTls): Readonly<Record<string, unknown>> {
  return {
    rejectUnauthorized: verify,
    ...(checkHostname ? {} : { checkServerIdentity: () => undefined }),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  };
}

/** The first words of Redis's errors that mean something to us. */
const CODES: readonly (readonly [RegExp, KombuError["code"]])[] = [
  [/\b(?:NOAUTH|WRONGPASS)\b|invalid password|invalid username/i, "unauthenticated"],
  [/\bNOPERM\b/, "permission_denied"],
  [/\bOOM\b/, "resource_exhausted"],
  [/\bWRONGTYPE\b/, "precondition_failed"],
  [/\b(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS)\b/, "unavailable"],
  [/invalid DB index|DB index is out of range|unknown command|wrong number of arguments/i, "not_supported"],
];

/** Node's codes for certificates that prove nothing. */
const CERTIFICATE_CODES = /CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY)|HOSTNAME_MISMATCH/;

/** What kept a connection from being opened, as one of our errors: where nobody speaks Redis's protocol, trying again would not help. */
export function fromOpeningError(error: unknown, settings: RedisSettings): unknown {
  const text = error instanceof Error ? error.message : "";
  // The first letter of another protocol's answer.
  if (/^Unknown RESP type/.test(text)) {
    const why = `what answers at ${placeOf(settings)} does not speak Redis's protocol; is this the right port?`;
    return new KombuError("invalid_argument", why, { cause: error });
  }
  if (text !== "Connection is closed.") return fromRedisError(error);
  const why = `Redis cannot be reached: ${placeOf(settings)} closed the connection before it was ready; is this Redis's port, and does it expect TLS (rediss)?`;
  return new KombuError("unavailable", why, { cause: error });
}

function placeOf({ server, socketPath, sentinels }: RedisSettings): string {
  if (socketPath !== undefined) return socketPath;
  const places = sentinels.length > 0 ? sentinels : [server];
  return places.map(({ host, port }) => `${host}:${port}`).join(", ");
}

/** A foreign error as one of ours. What is no answer of the server means that it cannot be reached. */
export function fromRedisError(error: unknown, signal?: AbortSignal): unknown {
  if (isKombuError(error) || (signal?.aborted === true && error === signal.reason)) return error;
  if (!(error instanceof Error)) return fromQueueError(error);
  const text = error.message;
  if (error.name !== "ReplyError") {
    // Trying again would not make it trustworthy.
    if ("code" in error && CERTIFICATE_CODES.test(String(error.code))) {
      return new KombuError(
        "unauthenticated",
        `Redis's certificate is not trusted: ${text}; name its authority with sslCaCerts (ssl_ca_certs)`,
        { cause: error },
      );
    }
    if (error instanceof TypeError || error instanceof RangeError) return fromQueueError(error);
    return new KombuError("unavailable", `Redis cannot be reached: ${text}`, { cause: error });
  }
  const [, code = "internal"] = CODES.find(([pattern]) => pattern.test(text)) ?? [];
  return new KombuError(code, `Redis answered: ${text}`, { cause: error });
}
