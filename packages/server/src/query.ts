import { QueueError } from "@pullqueue/core";
import { QUERY_PARAMETERS_MAX } from "./limits.js";

/** The query of a URL, taken apart once and by hand: this is on the way of every request. */

/** Decoded parameters; one given several times is an array. */
export type Query = ReadonlyMap<string, string | readonly string[]>;

/** The path of a URL, still encoded, and its query. */
export interface RequestTarget {
  readonly pathname: string;
  readonly search: string;
}

const EMPTY: Query = new Map();

/** Splits an absolute URL without decoding anything. */
export function splitUrl(url: string): RequestTarget {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const hash = url.indexOf("#", start);
  const end = hash === -1 ? url.length : hash;
  const question = url.indexOf("?", start);
  if (question === -1 || question > end) return { pathname: url.slice(start, end), search: "" };
  return { pathname: url.slice(start, question), search: url.slice(question + 1, end) };
}

/** Decodes a query (without its question mark). Throws `invalid_argument` for broken percent-encoding. */
export function parseQuery(search: string): Query {
  if (search === "") return EMPTY;
  const query = new Map<string, string | string[]>();
  const parts = search.split("&");
  if (parts.length > QUERY_PARAMETERS_MAX) throw tooMany(parts.length);
  for (const part of parts) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = decode(equals === -1 ? part : part.slice(0, equals), "query");
    const value = equals === -1 ? "" : decode(part.slice(equals + 1), name);
    const earlier = query.get(name);
    if (earlier === undefined) query.set(name, value);
    else if (typeof earlier === "string") query.set(name, [earlier, value]);
    else earlier.push(value);
  }
  return query;
}

/** Tokens and keys are quoted nowhere, broken ones neither. */
function shown(text: string, name: string): string {
  return /token|key/i.test(name + text) ? "something else" : JSON.stringify(text.slice(0, 60));
}

function tooMany(count: number): QueueError {
  return new QueueError(
    "invalid_argument",
    `the query must have at most ${QUERY_PARAMETERS_MAX} parameters, got ${count}`,
    { location: "query", reason: "invalidParameter" },
  );
}

function decode(text: string, location: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    // decodeURIComponent says no more than that it failed.
    throw new QueueError(
      "invalid_argument",
      `the query must be percent-encoded UTF-8, got ${shown(text, location)}`,
      { location, reason: "invalidParameter" },
    );
  }
}
