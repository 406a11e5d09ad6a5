import { QUOTE_LENGTH_MAX } from "./limits.js";

/** Somebody else's text for a message of ours: one line, visible characters alone, at most QUOTE_LENGTH_MAX of them. */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .slice(0, QUOTE_LENGTH_MAX)
    .trim();
}
