import { QUOTE_LENGTH_MAX } from "./limits.js";

/** Somebody else's text for a message of ours: one line, visible characters alone, at most QUOTE_LENGTH_MAX of them. */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .slice(0, QUOTE_LENGTH_MAX)
    .trim();
}

/** Anything that may be a token, a key or a part of one, in whatever encoding. */
const TOKEN_LIKE = /[\w\-+/=.~%\\]{24,}/g;

/** Long words that are none: codes of errors, names of variables. */
const PLAIN_WORD = /^(?:[a-z_]+|[A-Z_]+)$/;

/** Such a line without any word that could be a token: whoever refuses one may repeat it, encoded, cut or in part. */
export function oneHarmlessLine(text: string): string {
  return oneLine(text.replace(TOKEN_LIKE, (word) => (PLAIN_WORD.test(word) ? word : "…")));
}
