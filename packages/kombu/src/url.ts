import {
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  integerCheck,
  keyCheck,
  objectCheck,
  stringCheck,
  textCheck,
} from "./check.js";
import { KombuError } from "./errors.js";
import { PORT_MAX, URL_LENGTH_MAX } from "./limits.js";

/** URLs of brokers by their parts: kombu's `utils.url`. Which options a transport reads of them, `transport-url.ts` knows. */

/** A broker's URL by its parts, percent-decoded. What is absent in the URL is absent here. */
export interface UrlParts {
  /** The scheme, in lower case. */
  readonly transport: string;
  /** An IPv6 address stands here without its brackets. */
  readonly hostname?: string;
  readonly port?: number;
  readonly userid?: string;
  readonly password?: string;
  /** The path less its first slash. */
  readonly virtualHost?: string;
  readonly query?: Readonly<Record<string, string>>;
}

/** How a URL is written. */
export interface AsUrlOptions {
  /** Writes `mask` for the password. Default false. */
  readonly sanitize?: boolean;
  /** Default `**`. */
  readonly mask?: string;
}

/** The pieces of a URL, percent-decoded. What is absent is empty. */
export interface UrlPieces {
  readonly scheme: string;
  /** Whether the scheme is followed by `//`. */
  readonly hasAuthority: boolean;
  readonly user: string;
  readonly password: string;
  /** As it stands in the URL: an IPv6 address keeps its brackets. */
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

const MASK = "**";

const PARTS_CHECKS: Readonly<Record<keyof UrlParts, Check>> = {
  transport: keyCheck,
  hostname: stringCheck,
  port: integerCheck(0, PORT_MAX, "port"),
  userid: stringCheck,
  password: stringCheck,
  virtualHost: stringCheck,
  query: objectCheck,
};

const AS_URL_CHECKS: Readonly<Record<keyof AsUrlOptions, Check>> = {
  sanitize: booleanCheck,
  mask: stringCheck,
};

const URL_PATTERN = /^([a-z][a-z0-9+._-]*):(\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?$/i;
const HOST_PATTERN = /^(\[[0-9a-f:.%]+\]|[^:;[\]]*)(?::([0-9]{1,5}))?$/i;

/** Takes a URL apart; undefined for what is none. Throws `invalid_argument` for a wrong percent sign. */
export function splitUrl(url: string): UrlPieces | undefined {
  const match = url.length <= URL_LENGTH_MAX ? URL_PATTERN.exec(url) : null;
  const [, scheme, slashes, authority = "", path, query] = match ?? [];
  // The last @ ends the credentials, so that one that was not encoded is not taken for the host.
  const at = authority.lastIndexOf("@");
  const hostMatch = HOST_PATTERN.exec(authority.slice(at + 1));
  if (scheme === undefined || path === undefined || hostMatch === null) return undefined;
  const [user = "", ...password] = authority.slice(0, Math.max(0, at)).split(":");
  return {
    scheme: scheme.toLowerCase(),
    hasAuthority: slashes !== undefined,
    user: decodePiece(user),
    password: decodePiece(password.join(":")),
    host: hostMatch[1]!,
    port: hostMatch[2] ?? "",
    path: decodePiece(path),
    query: new URLSearchParams(query ?? ""),
  };
}

/** Percent signs decoded. Throws `invalid_argument`, and shows nothing of the text: it may be a password. */
export function decodePiece(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new KombuError(
      "invalid_argument",
      "a connection URL has a % that is not followed by two hex digits of UTF-8",
      { cause },
    );
  }
}

/** Kombu's `parse_url`, with the query beside. Throws `invalid_argument`; no error shows a password. */
export function parseUrl(url: string): UrlParts {
  checkValue("a URL", url, textCheck);
  const pieces = splitUrl(url);
  if (pieces === undefined || !pieces.hasAuthority) {
    throw new KombuError(
      "invalid_argument",
      `expected a URL such as amqp://user:password@host:5672/virtual-host (at most ${URL_LENGTH_MAX} characters, no #), got ${JSON.stringify(sanitizeUrl(url).slice(0, 100))}`,
    );
  }
  const { scheme, user, password, host, port, path, query } = pieces;
  const virtualHost = path.replace(/^\//, "");
  return {
    transport: scheme,
    ...(host === "" ? {} : { hostname: decodePiece(host.replace(/^\[|\]$/g, "")) }),
    ...(port === "" ? {} : { port: Number(port) }),
    ...(user === "" ? {} : { userid: user }),
    ...(password === "" ? {} : { password }),
    ...(virtualHost === "" ? {} : { virtualHost }),
    ...(query.size === 0 ? {} : { query: Object.fromEntries(query) }),
  };
}

/** Kombu's `as_url`: the URL of these parts, which `parseUrl` reads back. Throws `invalid_argument`. */
export function asUrl(parts: UrlParts, options: AsUrlOptions = {}): string {
  checkOptions("asUrl", options, AS_URL_CHECKS);
  checkValue("the parts of a URL", parts, objectCheck);
  checkOptions("the parts of a URL", parts, PARTS_CHECKS, ["transport"]);
  const { sanitize = false, mask = MASK } = options;
  const { transport, hostname = "", port, userid = "", password = "", virtualHost = "", query = {} } = parts;
  const secret = password === "" ? "" : `:${sanitize ? mask : encodeURIComponent(password)}`;
  const user = userid === "" && secret === "" ? "" : `${encodeURIComponent(userid)}${secret}@`;
  const host = hostname.includes(":") ? `[${hostname}]` : encodeURIComponent(hostname);
  const search = new URLSearchParams(query);
  const address = `${user}${host}${port === undefined ? "" : `:${port}`}`;
  return `${transport}://${address}/${encodeURIComponent(virtualHost)}${search.size === 0 ? "" : `?${search}`}`;
}

/**
 * Kombu's `sanitize_url`: the same text with its password masked, for logs. Several URLs separated by `;` are masked each. What is no
 * URL is masked as far as it could hold a password, so that it may lose more than that.
 */
export function sanitizeUrl(url: string, mask = MASK): string {
  checkValue("a URL", url, textCheck);
  checkValue("the mask of a URL", mask, textCheck);
  const pieces = url.split(/;(?=[a-z][a-z0-9+._-]*:\/\/)/i);
  return pieces.map((piece) => sanitized(piece, mask)).join(";");
}

/** Kombu's `maybe_sanitize_url`: the same for whatever may be a URL; anything else is given back. */
export function maybeSanitizeUrl<T>(value: T, mask = MASK): T | string {
  checkValue("the mask of a URL", mask, textCheck);
  return typeof value === "string" && value.includes("://") ? sanitizeUrl(value, mask) : value;
}

function sanitized(url: string, mask: string): string {
  const start = url.indexOf("//") + 2;
  if (start < 2) return url;
  const authorityEnd = url.slice(start).search(/[/?#]/);
  const end = authorityEnd < 0 ? url.length : start + authorityEnd;
  const authority = url.slice(start, end);
  const colon = url.indexOf(":", start);
  // A password that was not encoded may reach beyond the authority: there, too, the last @ ends it.
  const hasPassword = authority.slice(0, authority.lastIndexOf("@") + 1).includes(":");
  const at =
    hasPassword || !HOST_PATTERN.test(authority.slice(authority.lastIndexOf("@") + 1))
      ? url.lastIndexOf("@")
      : -1;
  if (colon < 0 || colon > at) return url;
  return `${url.slice(0, colon + 1)}${mask}${url.slice(at)}`;
}
