import { isText } from "./argument-rules.js";
import { QueueError } from "./errors.js";
import { PAGE_TOKEN_LENGTH_MAX } from "./limits.js";
import type { TaskPosition } from "./naive-store.js";
import type { TagFilter } from "./task.js";

/** Page tokens: where the previous page ended, in a form that callers pass back without looking inside. */

/** The token of the page after a task. */
export function taskPageToken(position: TaskPosition): string {
  return encode([position.etaUs, position.id]);
}

/** The position in a token, or `invalid_argument`. */
export function taskPositionOf(token: string): TaskPosition {
  const parts = decode(token);
  const [etaUs, id] = Array.isArray(parts) ? parts : [];
  if (typeof etaUs === "number" && Number.isSafeInteger(etaUs) && isText(id)) return { etaUs, id };
  throw invalidToken();
}

/** The token of the page after a queue. */
export function queuePageToken(name: string): string {
  return encode([name]);
}

/** The name in a token, or `invalid_argument`. */
export function queueNameOf(token: string): string {
  const parts = decode(token);
  const [name] = Array.isArray(parts) ? parts : [];
  if (isText(name)) return name;
  throw invalidToken();
}

/** The token of the page after a tag, or after the tasks without one. */
export function tagPageToken({ tag }: TagFilter): string {
  return encode(["tag", tag ?? null]);
}

/** The tag in a token, or `invalid_argument`. */
export function tagOf(token: string): TagFilter {
  const parts = decode(token);
  const [kind, tag] = Array.isArray(parts) ? parts : [];
  if (kind === "tag" && (tag === null || isText(tag))) return { tag: tag ?? undefined };
  throw invalidToken();
}

function encode(parts: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

function decode(token: string): unknown {
  if (typeof token !== "string" || token.length > PAGE_TOKEN_LENGTH_MAX) throw invalidToken();
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    // Not JSON, so not one of ours.
    throw invalidToken();
  }
}

function invalidToken(): QueueError {
  return new QueueError(
    "invalid_argument",
    "a page token must be one that a previous page gave; leave it out to begin at the first page",
    { location: "pageToken" },
  );
}
