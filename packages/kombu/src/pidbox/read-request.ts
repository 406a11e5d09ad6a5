import { describe } from "@pullqueue/core";
import { KombuError } from "../errors.js";
import type { PidboxRequest } from "./layout.js";

/** What a request's parts must be: in words, and as a test. What is absent or null may be so. */
const PARTS: Readonly<Record<string, readonly [expected: string, holds: (value: unknown) => boolean]>> = {
  arguments: ["an object", isObject],
  destination: ["a list of names", (v) => Array.isArray(v) && v.every(isText)],
  pattern: ["a text", isText],
  matcher: ["a text", isText],
  ticket: ["a text", isText],
  reply_to: [
    "an exchange and a routing key",
    (v) => isObject(v) && isText(v.exchange) && isText(v.routing_key),
  ],
};

const KNOWN: ReadonlySet<string> = new Set(Object.keys(PARTS));

/** The request in a message's body, from whoever could reach the queue. Error: `decode_failed`. */
export function readRequest(body: unknown): PidboxRequest {
  if (!isObject(body) || !isText(body.method)) {
    throw new KombuError(
      "decode_failed",
      `a request must be an object with a method, got ${describe(body)}; it is not run`,
    );
  }
  for (const [name, [expected, holds]] of Object.entries(PARTS)) {
    const value = body[name] ?? null;
    if (value === null || holds(value)) continue;
    throw new KombuError(
      "decode_failed",
      `the ${name} of a request must be ${expected}, got ${describe(value)}; it is not run`,
    );
  }
  const request = { arguments: {}, destination: null, pattern: null, matcher: null };
  const given = Object.entries(body).filter(([name, value]) => KNOWN.has(name) && value !== null);
  return { ...request, method: body.method, ...Object.fromEntries(given) }; // Each part was looked at above.
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
