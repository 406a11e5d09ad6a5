import { KombuError } from "./errors.js";
import { URL_LENGTH_MAX } from "./limits.js";
import { defaults } from "./options.js";
import { REDIS_SCHEMES, readRedisUrl } from "./redis-url.js";
import { suggest } from "./suggest.js";
import { OPTION_SPECS, type OptionSpec, optionNamed } from "./transport-options.js";
import { decodePiece, splitUrl, type UrlPieces } from "./url.js";

/** Connections written as one line: `appengine://127.0.0.1:8085/my_project?num_tasks=15&polling_interval=5`. */

/** A transport and its options, still as a program would have given them, and what is wrong with the URL. */
export interface TransportUrl {
  readonly transport: "appengine" | "memory" | "sqlite" | "postgres" | "redis" | "amqp";
  readonly transportOptions: Readonly<Record<string, unknown>>;
  readonly complaints: readonly string[];
}

const SCHEMES: readonly string[] = [
  ...["appengine", "appengine+https", "appengine+http", "memory", "sqlite", "postgres"],
  ...REDIS_SCHEMES,
  ...["amqp", "amqps", "pyamqp"],
];

/**
 * The URLs in a text that separates them by `;`. Several sentinels are one URL: it ends with the piece that has a query, where
 * their `master_name` stands. Throws `invalid_argument` where nothing follows the last `;`.
 */
export function splitUrls(text: string): readonly string[] {
  if (text.endsWith(";")) throw endsOpen();
  const pieces = text.split(/;(?=[a-z][a-z0-9+._-]*:)/i);
  const urls: string[] = [];
  let before = "";
  for (const [index, piece] of pieces.entries()) {
    const isFollowed = /^sentinel:/i.test(pieces[index + 1] ?? "");
    const goesOn = /^sentinel:/i.test(piece) && !piece.includes("?") && isFollowed;
    if (!goesOn) urls.push(`${before}${piece}`);
    before = goesOn ? `${before}${piece};` : "";
  }
  return urls;
}

/** Reads a connection's URL. Throws `invalid_argument` for what is no URL or no transport of ours; no error shows a password. */
export function parseTransportUrl(url: string): TransportUrl {
  // Several sentinels are one address in several pieces.
  if (/^sentinel:/i.test(url)) return readRedis(url.split(";").map(partsOf));
  const parts = partsOf(url);
  switch (parts.scheme) {
    case "appengine":
    case "appengine+http":
      return readAppEngine(parts, "http");
    case "appengine+https":
      return readAppEngine(parts, "https");
    case "memory":
      return readMemory(parts);
    case "sqlite":
      return readSqlite(parts);
    case "postgres":
    case "postgresql":
      return readPostgres(url, parts);
    case "redis":
    case "rediss":
    case "redis+socket":
      return readRedis([parts]);
    case "amqp":
    case "pyamqp":
      return readAmqp(parts, {});
    case "amqps":
      return readAmqp(parts, { ssl: true });
    default:
      throw new KombuError(
        "invalid_argument",
        `there is no transport ${JSON.stringify(parts.scheme)}${suggest(parts.scheme, SCHEMES)}; there are ${SCHEMES.join(", ")}`,
      );
  }
}

function readAppEngine(parts: UrlPieces, protocol: "http" | "https"): TransportUrl {
  const { hasAuthority, user, password, host, port, path, query } = parts;
  const project = path.replace(/^\//, "");
  const portOrDefault = port === "" && protocol === "http" ? String(defaults.port) : port;
  const options = {
    ...(host === ""
      ? {}
      : { endpoint: `${protocol}://${host}${portOrDefault === "" ? "" : `:${portOrDefault}`}` }),
    ...(password === "" ? {} : { accessToken: password }),
    ...(project === "" ? {} : { projectName: project }),
  };
  const complaints = [
    ...(hasAuthority ? [] : ["the scheme must be followed by //, as in appengine://host:port/project"]),
    ...(user === ""
      ? []
      : ["there are no users; a token stands after a colon, as in appengine://:TOKEN@host/project"]),
    ...(host === "" && (port !== "" || protocol === "https") ? ["the host is missing"] : []),
  ];
  return withQuery("appengine", options, query, complaints);
}

function readMemory(parts: UrlPieces): TransportUrl {
  const { user, password, host, port, path, query } = parts;
  const isBare = user === "" && password === "" && port === "" && (path === "" || path === "/");
  const complaints = isBare ? [] : ["expected memory:// or memory://name and nothing else before the ?"];
  return withQuery("memory", { name: decodePiece(host) }, query, complaints);
}

function readSqlite(parts: UrlPieces): TransportUrl {
  const { user, password, host, port, path, query } = parts;
  const isBare = user === "" && password === "" && host === "" && port === "";
  const complaints = isBare ? [] : ["expected sqlite:///absolute/path.db or sqlite:relative.db"];
  return withQuery("sqlite", path === "" ? {} : { path }, query, complaints);
}

/** What is no option of ours in the query belongs to the database's address: `sslmode`, `schema` and what else pg reads. */
function readPostgres(text: string, { query }: UrlPieces): TransportUrl {
  if (!URL.canParse(text)) throw notAUrl(text);
  const address = new URL(text);
  const ours = new URLSearchParams();
  for (const [name, value] of query) {
    if (name !== "url" && optionNamed(name, OPTION_SPECS.postgres) === undefined) continue;
    address.searchParams.delete(name);
    ours.append(name, value);
  }
  return withQuery("postgres", { url: address.href }, ours, []);
}

function readRedis(addresses: readonly UrlPieces[]): TransportUrl {
  const { options, complaints } = readRedisUrl(addresses);
  return withQuery("redis", options, addresses.at(-1)!.query, complaints);
}

/** The path less its first slash is the virtual host, so that `//name` and `/%2f` name one that begins with a slash, or is one. */
function readAmqp(parts: UrlPieces, ssl: { readonly ssl?: boolean }): TransportUrl {
  const { hasAuthority, user, password, host, port, path, query } = parts;
  const virtualHost = path.replace(/^\//, "");
  const options = {
    ...ssl,
    ...(host === "" ? {} : { host: decodePiece(host.replace(/^\[|\]$/g, "")) }),
    ...(port === "" ? {} : { port: Number(port) }),
    ...(user === "" ? {} : { userId: user }),
    ...(password === "" ? {} : { password }),
    ...(virtualHost === "" ? {} : { virtualHost }),
  };
  const complaints = hasAuthority
    ? []
    : ["the scheme must be followed by //, as in amqp://host/virtual-host"];
  return withQuery("amqp", options, query, complaints);
}

/** Adds the pairs of the query, which are options with a type. */
function withQuery(
  transport: TransportUrl["transport"],
  fromUrl: Readonly<Record<string, unknown>>,
  query: URLSearchParams,
  complaintsSoFar: readonly string[],
): TransportUrl {
  const transportOptions: Record<string, unknown> = { ...fromUrl };
  const complaints = [...complaintsSoFar];
  for (const [name, text] of query) {
    const spec = optionNamed(name, OPTION_SPECS[transport]);
    if (spec !== undefined && spec.inUrl === undefined) {
      complaints.push(`${name} does not stand in the query of a URL`);
    } else if (Object.hasOwn(transportOptions, name)) {
      complaints.push(`${name} is given twice`);
    } else {
      transportOptions[name] = typed(text, spec);
    }
  }
  return { transport, transportOptions, complaints };
}

const NUMBER_PATTERN = /^[0-9]+(\.[0-9]+)?$/;
/** Python's spelling included. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...(["true", "True", "1"] as const).map((text) => [text, true] as const),
  ...(["false", "False", "0"] as const).map((text) => [text, false] as const),
]);

/** What cannot be read as the option's type stays text, about which the option's own check then complains. */
function typed(text: string, spec: OptionSpec | undefined): unknown {
  if (spec?.inUrl === "number" && NUMBER_PATTERN.test(text)) return Number(text);
  if (spec?.inUrl === "list") return text.split(/[\s,]+/);
  return spec?.inUrl === "boolean" ? (BOOLEANS.get(text) ?? text) : text;
}

function partsOf(url: string): UrlPieces {
  const pieces = splitUrl(url);
  if (pieces === undefined) throw notAUrl(url);
  return pieces;
}

function endsOpen(): KombuError {
  const why =
    "several connection URLs are separated by ;, and after the last one nothing follows; take it away";
  return new KombuError("invalid_argument", why);
}

function notAUrl(url: string): KombuError {
  const shown = JSON.stringify(url.replace(/\/\/.*@/s, "//**@").slice(0, 100));
  return new KombuError(
    "invalid_argument",
    `a connection URL looks like appengine://host:port/project?option=value, memory://, sqlite:///absolute/path.db, postgres://host/database, redis://host:port/0, or amqp://host/virtual-host (at most ${URL_LENGTH_MAX} characters, no #); got ${shown}`,
  );
}
