import { QueueError } from "./errors.js";

/** Where a store is. */
export type StoreAddress =
  | { readonly kind: "memory" /** For those who share a memory store by name. */; readonly name: string }
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string };

const FORMS = "memory:, memory://name, sqlite:relative.db, sqlite:///absolute.db or postgres://host/database";

/**
 * Reads the address of a store: `memory:`, `memory://name`, `sqlite:relative.db`, `sqlite:///absolute.db` (percent-encoded
 * where it is a URL) or `postgres://…`. Throws `invalid_argument` for anything else.
 */
export function parseStoreAddress(text: string): StoreAddress {
  const parts = /^([a-z]+):(\/\/)?(.*)$/s.exec(text);
  if (parts === null) throw invalid(text);
  const [, scheme, slashes, rest] = parts as unknown as [string, string, string | undefined, string];
  switch (scheme) {
    case "memory":
      if (slashes === undefined && rest !== "") throw invalid(text);
      return { kind: "memory", name: decode(rest, text) };
    case "sqlite":
      return { kind: "sqlite", path: sqlitePath(slashes !== undefined, rest, text) };
    case "postgres":
    case "postgresql":
      if (slashes === undefined) throw invalid(text);
      return { kind: "postgres", url: text };
    default:
      throw invalid(text);
  }
}

function sqlitePath(isUrl: boolean, rest: string, text: string): string {
  if (rest === "") throw invalid(text);
  if (!isUrl) return rest;
  if (!rest.startsWith("/")) {
    throw new QueueError(
      "invalid_argument",
      "an absolute SQLite path has three slashes, sqlite:///absolute.db, and a relative one has none, sqlite:relative.db",
      { location: "store" },
    );
  }
  return decode(rest, text);
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A stray percent sign.
    throw invalid(text);
  }
}

/** Shows the scheme alone, because the rest may hold a password. */
function invalid(text: string): QueueError {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(text)?.[0] ?? "no scheme";
  return new QueueError("invalid_argument", `a store's address is ${FORMS}; got ${scheme}`, {
    location: "store",
  });
}
