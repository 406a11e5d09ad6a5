import { booleanCheck, type Check, stringCheck } from "./check.js";
import { connectRetryQuery } from "./connect-retry.js";
import {
  type AmqpSettings,
  type AppEngineSettings,
  defaults,
  type LeaseSettings,
  type PostgresSettings,
  type TransportSettings,
} from "./options.js";
import { passwordInUrl } from "./password.js";
import { formatRedisUrl } from "./redis-url.js";
import type { LeaseRenewal } from "./renewal-options.js";
import { HRD_PREFIX } from "./transport-options.js";

/** Settings as one line again, to show: what `Connection.asUri()` gives. `transport-url.ts` reads it. */

/** How a connection is shown. */
export interface UriOptions {
  /** Whether passwords and tokens stand there as they are. Default false. */
  readonly includePassword?: boolean;
  /** What stands for them otherwise. Default `**`, kombu's. */
  readonly mask?: string;
}

/** What `asUri` may be told. */
export const URI_CHECKS: Readonly<Record<keyof UriOptions, Check>> = {
  includePassword: booleanCheck,
  mask: stringCheck,
};

const MASK = "**";

/**
 * The URL that says the same as these settings; options at their defaults are left out. A token is masked unless asked for,
 * and a function or a token source cannot stand in a URL.
 */
export function formatTransportUrl(resolved: TransportSettings, options: UriOptions = {}): string {
  const url = formatPlace(resolved, options);
  const query = textOf(connectRetryQuery(resolved.retry));
  return query === "" || !url.includes("?") ? `${url}${query}` : `${url}&${query.slice(1)}`;
}

function formatPlace(
  { transport, settings }: TransportSettings,
  { includePassword = false, mask = MASK }: UriOptions,
): string {
  const shown = includePassword ? undefined : mask;
  switch (transport) {
    case "appengine":
      return formatAppEngine(settings, shown);
    case "memory":
      return `memory://${encodeURIComponent(settings.name)}${queryOf(settings, projectQuery(settings))}`;
    case "sqlite": {
      const path = settings.path.split("/").map(encodeURIComponent).join("/");
      return `sqlite:${path.startsWith("/") ? "//" : ""}${path}${queryOf(settings, projectQuery(settings))}`;
    }
    case "postgres":
      return formatPostgres(settings, shown);
    case "redis":
      return formatRedisUrl(settings, shown);
    case "amqp":
      return formatAmqp(settings, shown);
  }
}

/** User and virtual host always stand there, because they say who asks for what; the password only as far as it may. */
function formatAmqp(settings: AmqpSettings, mask: string | undefined): string {
  const { host, port, userId, password, virtualHost, ssl } = settings;
  const secret = passwordInUrl(password, mask);
  const hostText = host.includes(":") ? `[${host}]` : host;
  const query = textOf({
    ssl_ca_certs: settings.caFile,
    ssl_certfile: settings.certFile,
    ssl_keyfile: settings.keyFile,
    verifyCertificate: settings.verifyCertificate ? undefined : false,
    connect_timeout:
      settings.connectTimeoutMs === defaults.connectTimeoutMs ? undefined : settings.connectTimeoutMs / 1000,
    heartbeat: settings.heartbeatMs === defaults.heartbeatMs ? undefined : settings.heartbeatMs / 1000,
    delayedDelivery: settings.delayedDelivery,
  });
  const user = `${encodeURIComponent(userId)}:${secret}`;
  return `amqp${ssl ? "s" : ""}://${user}@${hostText}:${port}/${encodeURIComponent(virtualHost)}${query}`;
}

function formatPostgres(settings: PostgresSettings, mask: string | undefined): string {
  const address = new URL(settings.url);
  if (address.password !== "" && mask !== undefined) address.password = mask;
  const query = queryOf(settings, projectQuery(settings));
  return address.search === "" ? `${address.href}${query}` : `${address.href}${query.replace("?", "&")}`;
}

function formatAppEngine(settings: AppEngineSettings, mask: string | undefined): string {
  const { projectName, projectPrefix, credentialsFile, audience, scopes, accessToken } = settings;
  const { protocol, hostname, port } = new URL(settings.endpoint);
  const isPlain = protocol === "http:";
  const token = mask ?? encodeURIComponent(String(accessToken));
  const user = typeof accessToken === "string" ? `:${token}@` : "";
  // Without a port the URL would mean the transport's own, not that of HTTP.
  const portText = port !== "" ? `:${port}` : isPlain ? ":80" : "";
  const project = encodeURIComponent((projectPrefix === HRD_PREFIX ? "" : projectPrefix) + projectName);
  const query = queryOf(settings, {
    hrd_project: projectPrefix === "" ? false : undefined,
    credentials_file: credentialsFile,
    audience,
    scopes: scopes?.join(","),
  });
  return `appengine${isPlain ? "" : "+https"}://${user}${hostname}${portText}/${project}${query}`;
}

function projectQuery({ projectName }: { readonly projectName: string }): QueryOptions {
  return { project_name: projectName === defaults.projectName ? undefined : projectName };
}

type QueryOptions = Readonly<Record<string, string | number | boolean | undefined>>;

/** Options that are not at their defaults, under the names of Python's documentation where they have one. */
function queryOf(
  settings: LeaseSettings & { readonly leaseRenewal?: LeaseRenewal },
  others: QueryOptions,
): string {
  const { leaseMs, pollingIntervalMs, numTasks, holdMsMax, leaseRenewal } = settings;
  const options: QueryOptions = {
    ...others,
    num_tasks: numTasks,
    polling_interval: pollingIntervalMs === defaults.pollingIntervalMs ? undefined : pollingIntervalMs / 1000,
    lease_secs: leaseMs === defaults.leaseMs ? undefined : leaseMs / 1000,
    holdMsMax,
    leaseRenewal: leaseRenewal === defaults.leaseRenewal ? undefined : leaseRenewal,
  };
  return textOf(options);
}

function textOf(options: QueryOptions): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options))
    if (value !== undefined) query.set(name, String(value));
  return query.size === 0 ? "" : `?${query}`;
}
