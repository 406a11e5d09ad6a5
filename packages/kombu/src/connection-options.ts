import { describe, type TokenSource } from "@pullqueue/core";
import {
  booleanCheck,
  type Check,
  checkValue,
  complaintsAbout,
  functionCheck,
  objectCheck,
  refuse,
  stringCheck,
} from "./check.js";
import { connectRetryOf } from "./connect-retry.js";
import { KombuError } from "./errors.js";
import {
  type AccessTokenFunction,
  type AmqpSettings,
  type AppEngineSettings,
  type ConnectionExtras,
  type ConnectionOptions,
  defaults,
  type LeaseSettings,
  type MemorySettings,
  type PostgresSettings,
  type SqliteSettings,
  type TransportSettings,
} from "./options.js";
import type { PasswordFunction } from "./password.js";
import { redisContradictions, redisSettings } from "./redis-options.js";
import type { LeaseRenewal } from "./renewal-options.js";
import { suggest } from "./suggest.js";
import {
  endpointCheck,
  HRD_PREFIX,
  OPTION_SPECS,
  optionNamed,
  PROJECT_PREFIX,
  readOptions,
} from "./transport-options.js";
import { parseTransportUrl, type TransportUrl } from "./transport-url.js";

/** The one door through which a connection's options come in. After it everything is known, checked and frozen. */

/** Environment variables that are looked at, with their values. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable that says where the server is when neither URL nor options do. */
const ENDPOINT_VARIABLE = "PULLQUEUE_ENDPOINT";

const TRANSPORTS: ReadonlyMap<string, TransportUrl["transport"]> = new Map([
  ["appengine", "appengine"],
  ["kombu_appengine:Transport", "appengine"],
  ["memory", "memory"],
  ["sqlite", "sqlite"],
  ["postgres", "postgres"],
  ["redis", "redis"],
  ["amqp", "amqp"],
  ["amqps", "amqp"],
  ["pyamqp", "amqp"],
]);

/** Contracts of other modules are only looked at, not into. */
export const EXTRAS_CHECKS: Readonly<Record<keyof ConnectionExtras, Check>> = {
  alternates: { expected: "an array of URLs or connection options", holds: Array.isArray },
  failoverStrategy: {
    expected: '"round-robin", "shuffle", or a function from the targets to an iterator of them',
    holds: (v) => v === "round-robin" || v === "shuffle" || functionCheck.holds(v),
  },
  serializers: objectCheck,
  compressions: objectCheck,
  tracing: booleanCheck,
  clock: objectCheck,
  random: functionCheck,
  onWarning: functionCheck,
};

const CONNECTION_CHECKS: Readonly<Record<keyof ConnectionOptions, Check>> = {
  transport: stringCheck,
  transportOptions: objectCheck,
  ...EXTRAS_CHECKS,
};

/** Options after their checks, by our names and in our units. */
interface Values {
  readonly leaseMs?: number;
  readonly pollingIntervalMs?: number;
  readonly numTasks?: number;
  readonly holdMsMax?: number;
  readonly deadletterQueue?: string;
  readonly leaseRenewal?: LeaseRenewal;
  readonly projectName?: string;
  readonly hrdProject?: boolean;
  readonly credentialsFile?: string;
  readonly audience?: string;
  readonly scopes?: readonly string[];
  readonly endpoint?: string;
  readonly accessToken?: string | AccessTokenFunction;
  readonly tokenSource?: TokenSource;
  readonly name?: string;
  readonly path?: string;
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly userId?: string;
  readonly password?: string | PasswordFunction;
  readonly virtualHost?: string;
  readonly ssl?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly verifyCertificate?: boolean;
  readonly connectTimeoutMs?: number;
  readonly heartbeatMs?: number;
  readonly delayedDelivery?: "classic" | "quorum";
}

/**
 * A transport with all it needs, from options or a URL. Throws one `invalid_argument` with every complaint: names that are
 * not known, values that are not as they must be, options that are missing or given twice.
 */
export function resolveConnection(
  input: ConnectionOptions | string | URL,
  environment: Environment = process.env,
): TransportSettings {
  const { transport, transportOptions, complaints } = partsOf(input);
  const read = readOptions(transportOptions, OPTION_SPECS[transport]);
  refuse([
    ...complaints,
    ...read.complaints,
    ...(transport === "appengine"
      ? missing("projectName", transportOptions, "; in a URL it is the path: appengine://host:port/PROJECT")
      : []),
    ...contraryCredentials(read.values),
    ...(transport === "sqlite" ? missing("path", transportOptions) : []),
    ...(transport === "postgres" ? missing("url", transportOptions) : []),
    ...(transport === "redis" ? redisContradictions(read.values) : []),
  ]);
  const values = read.values as Values;
  const retry = connectRetryOf(read.values);
  switch (transport) {
    case "appengine":
      return Object.freeze({ transport, retry, settings: appEngineSettings(values, environment) });
    case "memory":
      return Object.freeze({ transport, retry, settings: memorySettings(values) });
    case "sqlite":
      return Object.freeze({ transport, retry, settings: sqliteSettings(values) });
    case "postgres":
      return Object.freeze({ transport, retry, settings: postgresSettings(values) });
    case "redis":
      return Object.freeze({ transport, retry, settings: redisSettings(read.values) });
    case "amqp":
      return Object.freeze({ transport, retry, settings: amqpSettings(values) });
  }
}

/** What is said, before it is checked. */
function partsOf(input: ConnectionOptions | string | URL): TransportUrl {
  if (typeof input === "string" || input instanceof URL) return parseTransportUrl(String(input));
  if (!objectCheck.holds(input)) {
    const why = `a connection needs a URL, such as redis://localhost:6379/0, or an object of options, got ${describe(input)}`;
    throw new KombuError("invalid_argument", why);
  }
  const { transport: name, transportOptions = {} } = input;
  const transport = TRANSPORTS.get(checkValue("transport", name, stringCheck));
  if (transport === undefined) {
    const known = [...TRANSPORTS.keys()];
    const why = `there is no transport ${JSON.stringify(name)}${suggest(name, known)}; there are ${known.join(", ")}`;
    throw new KombuError("invalid_argument", why);
  }
  checkValue("transportOptions", transportOptions, objectCheck);
  const complaints = complaintsAbout("a connection", input, CONNECTION_CHECKS, {
    hint: (name) => elsewhere(name, transport),
  });
  const ssl = name === "amqps" ? { ssl: true } : {};
  return { transport, transportOptions: { ...ssl, ...transportOptions }, complaints };
}

/** Arguments of Python's `Connection`, which stand in the URL here whatever the transport calls them. */
const PYTHON_NAMES = new Set(["hostname", "userid", "password", "virtual_host", "port", "ssl"]);

/** Where an option belongs that is none of the connection itself, as far as its name tells. */
function elsewhere(name: string, transport: TransportUrl["transport"]): string | undefined {
  if (optionNamed(name, OPTION_SPECS[transport]) !== undefined)
    return ": it belongs in transportOptions, or in a URL";
  return PYTHON_NAMES.has(name)
    ? ": it belongs in a URL, such as redis://user:password@host:port/0"
    : undefined;
}

function missing(name: string, options: Readonly<Record<string, unknown>>, hint = ""): readonly string[] {
  const { python } = optionNamed(name, OPTION_SPECS.appengine) ?? {};
  const isGiven = options[name] !== undefined || (python !== undefined && options[python] !== undefined);
  return isGiven ? [] : [`${name}${python === undefined ? "" : ` (or ${python})`} is missing${hint}`];
}

/** What would be ignored, and nobody could say why. */
function contraryCredentials(values: Values): readonly string[] {
  const isGiven = (name: keyof Values) => values[name] !== undefined;
  const [first, second] = (["accessToken", "tokenSource", "credentialsFile"] as const).filter(isGiven);
  if (second !== undefined) {
    return [`${first} and ${second} both say where tokens come from: give only one of them`];
  }
  if (first === undefined || first === "credentialsFile") return [];
  const idle = (["audience", "scopes"] as const).filter(isGiven);
  return idle.map((name) => `${name} is for credentials, and ${first} gives the token itself: leave one out`);
}

function leaseSettings(values: Values): LeaseSettings {
  const { leaseMs = defaults.leaseMs, pollingIntervalMs = defaults.pollingIntervalMs } = values;
  return {
    leaseMs,
    pollingIntervalMs,
    numTasks: values.numTasks,
    holdMsMax: values.holdMsMax,
    deadletterQueue: values.deadletterQueue,
  };
}

function appEngineSettings(values: Values, environment: Environment): AppEngineSettings {
  const { projectName = "", hrdProject = defaults.hrdProject, accessToken, tokenSource } = values;
  const settings = {
    ...leaseSettings(values),
    leaseRenewal: values.leaseRenewal ?? defaults.leaseRenewal,
    endpoint: new URL(values.endpoint ?? endpointOf(environment)).origin,
    projectName: bareProject(projectName),
    projectPrefix: PROJECT_PREFIX.exec(projectName)?.[0] ?? (hrdProject ? HRD_PREFIX : ""),
    credentialsFile: values.credentialsFile,
    audience: values.audience,
    scopes: values.scopes === undefined ? undefined : Object.freeze([...values.scopes]),
    accessToken,
    tokenSource,
  };
  return Object.freeze(
    Object.defineProperties(settings, {
      accessToken: { value: accessToken, enumerable: false },
      tokenSource: { value: tokenSource, enumerable: false },
    }),
  );
}

function endpointOf(environment: Environment): string {
  const endpoint = environment[ENDPOINT_VARIABLE];
  if (endpoint === undefined || endpoint === "") return defaults.endpoint;
  return checkValue(`the environment variable ${ENDPOINT_VARIABLE}`, endpoint, endpointCheck);
}

function memorySettings(values: Values): MemorySettings {
  const { name = defaults.memoryName, projectName = defaults.projectName } = values;
  return Object.freeze({ ...leaseSettings(values), name, projectName: bareProject(projectName) });
}

function sqliteSettings(values: Values): SqliteSettings {
  const { path = "", projectName = defaults.projectName, leaseRenewal = defaults.leaseRenewal } = values;
  return Object.freeze({
    ...leaseSettings(values),
    leaseRenewal,
    path,
    projectName: bareProject(projectName),
  });
}

function postgresSettings(values: Values): PostgresSettings {
  const { url = "", projectName = defaults.projectName, leaseRenewal = defaults.leaseRenewal } = values;
  const settings = { ...leaseSettings(values), leaseRenewal, url, projectName: bareProject(projectName) };
  return Object.freeze(Object.defineProperty(settings, "url", { value: url, enumerable: false }));
}

function amqpSettings(values: Values): AmqpSettings {
  const { userId = defaults.amqpUser, password = defaults.amqpUser, ssl = false } = values;
  const settings = {
    ...{ host: values.host ?? defaults.amqpHost, userId, password, ssl },
    port: values.port ?? (ssl ? defaults.amqpsPort : defaults.amqpPort),
    virtualHost: values.virtualHost ?? defaults.amqpVirtualHost,
    ...{ caFile: values.caFile, certFile: values.certFile, keyFile: values.keyFile },
    verifyCertificate: values.verifyCertificate ?? true,
    connectTimeoutMs: values.connectTimeoutMs ?? defaults.connectTimeoutMs,
    heartbeatMs: values.heartbeatMs ?? defaults.heartbeatMs,
    delayedDelivery: values.delayedDelivery,
    deadletterQueue: values.deadletterQueue,
    holdMsMax: undefined,
  };
  return Object.freeze(Object.defineProperty(settings, "password", { value: password, enumerable: false }));
}

function bareProject(projectName: string): string {
  return projectName.replace(PROJECT_PREFIX, "");
}
