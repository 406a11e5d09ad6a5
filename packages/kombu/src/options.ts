import { type Clock, limits, type TokenQuery, type TokenSource } from "@pullqueue/core";
import type { CompressionRegistry } from "./compression.js";
import type { ConnectRetryOptions } from "./connect-retry.js";
import type { KombuError } from "./errors.js";
import type { PasswordFunction } from "./password.js";
import type { RedisOptions, RedisSettings } from "./redis-options.js";
import type { LeaseRenewal, RenewalOptions } from "./renewal-options.js";
import type { RetryPolicy } from "./retry.js";
import type { SerializerRegistry } from "./serialization.js";
import type { Transport, TransportContext } from "./transport.js";

/**
 * What programs may say about a connection, and what holds when they say nothing. Options that the Python transport had are
 * taken under its names and in its units too (`lease_secs` is in seconds); giving both spellings of one is an error.
 */

/** Gives a current access token; `rejected` is one that the server has just refused. */
export type AccessTokenFunction = (request: TokenQuery) => string | Promise<string>;

/** Options of every transport whose broker leases. */
export interface LeaseOptions extends ConnectRetryOptions {
  /** How long a received message stays ours unless renewed, in milliseconds. Default 1,800,000 (half an hour), the original's. */
  readonly leaseMs?: number;
  readonly lease_secs?: number;
  /** Pause between two looks where the server cannot wait, in milliseconds. Default 1000, the original's. */
  readonly pollingIntervalMs?: number;
  readonly polling_interval?: number;
  /** Most messages taken in one lease. Default: as many as a consumer's prefetch has room for, and 1 without a prefetch. */
  readonly numTasks?: number;
  readonly num_tasks?: number;
  /** Longest time one message is held by renewals, in milliseconds. Default: as long as its handler runs. */
  readonly holdMsMax?: number;
  /** A queue for messages that no queue takes, which otherwise go nowhere. Made when it is needed; each is told to `onWarning`. Default: none. */
  readonly deadletterQueue?: string;
  readonly deadletter_queue?: string;
}

/** Options of the transport `appengine`. */
export interface AppEngineOptions extends LeaseOptions, RenewalOptions {
  /** Google's id of the project, with or without its `s~`. Required. */
  readonly projectName?: string;
  readonly project_name?: string;
  /** Puts `s~` before a project that has no prefix, as the servers in the United States had it. Default true, the original's. */
  readonly hrdProject?: boolean;
  readonly hrd_project?: boolean;
  /**
   * Path of a file of credentials: of `pullqueue auth login`, of oauth2client, or of any kind that Google's tools write. Default:
   * application default credentials, when a server on another machine demands a token over https.
   */
  readonly credentialsFile?: string;
  readonly credentials_file?: string;
  /** Where the server is, such as `https://queue.example.com`. Default: `PULLQUEUE_ENDPOINT`, else http://127.0.0.1:8085. */
  readonly endpoint?: string;
  /** Whom credentials make a token for, as an ID token or a signed JWT. Default: nobody in particular, as Google's access tokens. */
  readonly audience?: string;
  /** What credentials ask for that were not signed in by a person. Default: Google's scope for task queues. */
  readonly scopes?: readonly string[];
  /** What proves who we are, or a function that gives it. */
  readonly accessToken?: string | AccessTokenFunction;
  /** Gives access tokens by any other scheme; not closed with the connection. */
  readonly tokenSource?: TokenSource;
}

/** Options of the transport `memory`. */
export interface MemoryOptions extends LeaseOptions {
  /** Connections of one process with the same name share their queues. Default: the empty name. */
  readonly name?: string;
  /** The project whose queues these are. Default `default`. */
  readonly projectName?: string;
  readonly project_name?: string;
}

/** Options of the transport `sqlite`. */
export interface SqliteOptions extends LeaseOptions, RenewalOptions {
  /** The database's file. Required. */
  readonly path?: string;
  /** The project whose queues these are; a server that has the file open too says it in its paths. Default `default`. */
  readonly projectName?: string;
  readonly project_name?: string;
}

/** Options of the transport `postgres`. */
export interface PostgresOptions extends LeaseOptions, RenewalOptions {
  /** The database: `postgres://user:password@host:port/database`, with `?schema=` and pg's own parameters. Required. */
  readonly url?: string;
  /** The project whose queues these are; a server on the same database says it in its paths. Default `default`. */
  readonly projectName?: string;
  readonly project_name?: string;
}

/** Options of the transport `amqp`. */
export interface AmqpOptions extends ConnectRetryOptions {
  /** Where RabbitMQ is. Default `localhost`. */
  readonly host?: string;
  readonly hostname?: string;
  /** Default 5672, or 5671 with `ssl`. */
  readonly port?: number;
  /** Default `guest`. */
  readonly userId?: string;
  readonly userid?: string;
  /** Default `guest`. A function is asked for each connection that is made. */
  readonly password?: string | PasswordFunction;
  /** Default `/`. */
  readonly virtualHost?: string;
  readonly virtual_host?: string;
  /** Encrypts the connection and checks the broker's certificate: `amqps`. Default false. */
  readonly ssl?: boolean;
  /** Path of the certificates of authorities that are trusted. Default: those that Node trusts. */
  readonly caFile?: string;
  readonly ssl_ca_certs?: string;
  /** Path of our own certificate, for brokers that ask for one. */
  readonly certFile?: string;
  readonly ssl_certfile?: string;
  /** Path of the key of our own certificate. */
  readonly keyFile?: string;
  readonly ssl_keyfile?: string;
  /** False takes any certificate, and with it any broker. Default true. */
  readonly verifyCertificate?: boolean;
  /** How long connecting may take, in milliseconds. Default 5000, kombu's. */
  readonly connectTimeoutMs?: number;
  readonly connect_timeout?: number;
  /** How often both sides say that they live, in milliseconds, rounded up to seconds; 0: never. Default 60,000, RabbitMQ's. */
  readonly heartbeatMs?: number;
  readonly heartbeat?: number;
  /** Delays messages by kombu's native delayed delivery, in queues of this type. Default: delays are `not_supported`. */
  readonly delayedDelivery?: "classic" | "quorum";
  /** A queue for messages that no queue takes, which otherwise go nowhere. Made when it is needed; each is told to `onWarning`. Default: none. */
  readonly deadletterQueue?: string;
  readonly deadletter_queue?: string;
}

/** One place that a connection may go to. */
export type PlaceTarget = ConnectionOptions | CustomConnectionOptions | string | URL;

/** Whatever a connection can be made from: one place, or several for failover, which a text separates by `;`. */
export type ConnectionTarget = PlaceTarget | readonly PlaceTarget[];

/**
 * Which place a connection goes to first, and which after each that fails: `round-robin` is one after the other as they were given,
 * `shuffle` each once in a round, by chance, or a function from the targets as they were given to an iterator of them.
 */
export type FailoverStrategy =
  | "round-robin"
  | "shuffle"
  | ((targets: readonly PlaceTarget[]) => Iterable<PlaceTarget> | Iterator<PlaceTarget>);

/** Opens a transport that this package does not know. Called at first use, and again after a failure. */
export type TransportOpener = (context: TransportContext) => Promise<Transport>;

/** A connection over a transport of the program's own. */
export interface CustomConnectionOptions extends ConnectionExtras {
  readonly transport: TransportOpener;
  /** Longest time one message is held by renewals, in milliseconds. Default: as long as its handler runs. */
  readonly holdMsMax?: number;
}

/** What every connection takes beside its transport. */
export interface ConnectionExtras {
  /** Where else it may go when its broker fails: brokers of the same transport. Default: nowhere. */
  readonly alternates?: readonly PlaceTarget[];
  /** In which order it goes there. Default `round-robin`. */
  readonly failoverStrategy?: FailoverStrategy;
  /** Default: a new one. */
  readonly serializers?: SerializerRegistry;
  /** Default: a new one. */
  readonly compressions?: CompressionRegistry;
  /**
   * Spans of OpenTelemetry. Default: where its package @opentelemetry/api is installed, which does nothing until a program registers an
   * SDK. `true` fails without the package, `false` makes none.
   */
  readonly tracing?: boolean;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Chance from 0 to below 1, for pauses. Default: random. */
  readonly random?: () => number;
  /**
   * Told of what went another way than it was meant to where nobody waits for an answer: messages that no queue took and that went to
   * `deadletterQueue`, expired ones that could not be moved. Default: a process warning, once for each text.
   */
  readonly onWarning?: (warning: KombuError) => void;
}

/** A connection by its parts; a URL says the same in one line. */
export type ConnectionOptions = ConnectionExtras &
  (
    | {
        /** `kombu_appengine:Transport` is what Python programs call it. */
        readonly transport: "appengine" | "kombu_appengine:Transport";
        readonly transportOptions: AppEngineOptions;
      }
    | { readonly transport: "memory"; readonly transportOptions?: MemoryOptions }
    | { readonly transport: "sqlite"; readonly transportOptions: SqliteOptions }
    | { readonly transport: "postgres"; readonly transportOptions: PostgresOptions }
    | { readonly transport: "redis"; readonly transportOptions?: RedisOptions }
    | {
        /** `pyamqp` is what Celery's documentation calls it. */
        readonly transport: "amqp" | "amqps" | "pyamqp";
        readonly transportOptions?: AmqpOptions;
      }
  );

/** What holds for leases after the door: nothing is left open. */
export interface LeaseSettings {
  readonly leaseMs: number;
  readonly pollingIntervalMs: number;
  /** Undefined: as many as the prefetch has room for. */
  readonly numTasks: number | undefined;
  /** Undefined: as long as the handler runs. */
  readonly holdMsMax: number | undefined;
  /** Gets what no queue takes. Undefined: that goes nowhere. */
  readonly deadletterQueue: string | undefined;
}

/** What holds for `appengine`. `accessToken` and `tokenSource` are not enumerable, so that no log shows them. */
export interface AppEngineSettings extends LeaseSettings {
  readonly leaseRenewal: LeaseRenewal;
  /** An origin, without a slash at its end. */
  readonly endpoint: string;
  /** Without its prefix. */
  readonly projectName: string;
  /** `s~`, `e~` or nothing. */
  readonly projectPrefix: string;
  readonly credentialsFile: string | undefined;
  readonly audience: string | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly accessToken: string | AccessTokenFunction | undefined;
  readonly tokenSource: TokenSource | undefined;
}

/** What holds for `memory`. */
export interface MemorySettings extends LeaseSettings {
  readonly name: string;
  readonly projectName: string;
}

/** What holds for `sqlite`. */
export interface SqliteSettings extends LeaseSettings {
  readonly leaseRenewal: LeaseRenewal;
  readonly path: string;
  readonly projectName: string;
}

/** What holds for `postgres`. `url` is not enumerable, so that no log shows its password. */
export interface PostgresSettings extends LeaseSettings {
  readonly leaseRenewal: LeaseRenewal;
  readonly url: string;
  readonly projectName: string;
}

/** What holds for `amqp`. `password` is not enumerable, so that no log shows it. */
export interface AmqpSettings {
  readonly host: string;
  readonly port: number;
  readonly userId: string;
  readonly password: string | PasswordFunction;
  readonly virtualHost: string;
  readonly ssl: boolean;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly verifyCertificate: boolean;
  readonly connectTimeoutMs: number;
  /** 0: no heartbeats. */
  readonly heartbeatMs: number;
  readonly delayedDelivery: "classic" | "quorum" | undefined;
  readonly deadletterQueue: string | undefined;
  /** Nothing is renewed, so that nothing ends it: the connection is the lease. */
  readonly holdMsMax: undefined;
}

/** A transport and everything it needs to open. `retry` is how that is tried again; undefined: the transport's own way. */
export type TransportSettings = { readonly retry?: RetryPolicy | undefined } & (
  | { readonly transport: "appengine"; readonly settings: AppEngineSettings }
  | { readonly transport: "memory"; readonly settings: MemorySettings }
  | { readonly transport: "sqlite"; readonly settings: SqliteSettings }
  | { readonly transport: "postgres"; readonly settings: PostgresSettings }
  | { readonly transport: "redis"; readonly settings: RedisSettings }
  | { readonly transport: "amqp"; readonly settings: AmqpSettings }
);

/** What holds when nothing is said. Those with a Python spelling are the original transport's own defaults. */
export const defaults = Object.freeze({
  leaseMs: 1_800_000,
  pollingIntervalMs: 1000,
  leaseRenewal: "thread",
  hrdProject: true,
  /** The server's own default address. */
  endpoint: "http://127.0.0.1:8085",
  /** The port of an `appengine://` URL that names none. */
  port: 8085,
  projectName: "default",
  memoryName: "",
  /** Kombu's, for AMQP. */
  amqpHost: "localhost",
  amqpPort: 5672,
  amqpsPort: 5671,
  amqpUser: "guest",
  amqpVirtualHost: "/",
  connectTimeoutMs: 5000,
  /** RabbitMQ's own proposal; kombu has none. */
  heartbeatMs: 60_000,
} as const);

if (defaults.leaseMs > limits.LEASE_MS_MAX)
  throw new Error("options.ts: the default lease is above Google's longest");
