import { limits } from "@pullqueue/core";
import { InvalidArgumentError } from "commander";
import { DURATION_MS_MAX, LIFE_MS_MAX } from "./limits.js";

/** Texts of the command line as values. Each throws commander's `InvalidArgumentError`, which names the option. */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `500ms`, `30s`, `2m`, `1h`, `7d`, or of a bare number of seconds. */
export function parseDuration(text: string): number {
  return atMost(DURATION_MS_MAX, text);
}

/** How long something is to live, in milliseconds: above nothing, and longer than other durations may be. */
export function parseLife(text: string): number {
  const lifeMs = atMost(LIFE_MS_MAX, text);
  if (lifeMs > 0) return lifeMs;
  throw new InvalidArgumentError(`Expected a duration above 0, got ${quote(text)}.`);
}

function atMost(maximumMs: number, text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text);
  if (match === null) {
    throw new InvalidArgumentError(
      `Expected a duration such as 500ms, 30s, 2m, 1h or 7d, got ${quote(text)}.`,
    );
  }
  const durationMs = Math.round(Number(match[1]) * UNIT_MS[(match[2] ?? "s") as keyof typeof UNIT_MS]);
  if (durationMs <= maximumMs) return durationMs;
  throw new InvalidArgumentError(`Expected at most ${maximumMs / UNIT_MS.d}d, got ${quote(text)}.`);
}

/** A text that is not empty: most likely a variable of a shell is not set, and nothing else must then be taken without a word. */
export function parseGiven(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError(
    "Expected something, got an empty text; is a variable of the shell not set?",
  );
}

/** A duration within bounds, in milliseconds. */
export function durationBetween(minimumMs: number, maximumMs: number): (text: string) => number {
  return (text) => {
    const durationMs = parseDuration(text);
    if (durationMs >= minimumMs && durationMs <= maximumMs) return durationMs;
    throw new InvalidArgumentError(
      `Expected from ${minimumMs / UNIT_MS.s}s to ${maximumMs / UNIT_MS.s}s, got ${quote(text)}.`,
    );
  };
}

/** A TCP port. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError(`Expected a port from 1 to 65535, got ${quote(text)}.`);
}

/** A whole number from 1 up. */
export function parseCount(text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (count >= 1) return count;
  throw new InvalidArgumentError(`Expected a whole number from 1 up, got ${quote(text)}.`);
}

/** A tag, with the limit of the store. */
export function parseTag(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= limits.TAG_BYTES_MAX) return text;
  throw new InvalidArgumentError(`Expected at most ${limits.TAG_BYTES_MAX} bytes, got ${bytes}.`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
