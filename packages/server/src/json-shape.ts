import { JSON_DEPTH_MAX, JSON_VALUES_MAX } from "./limits.js";

/**
 * How deep and how much a JSON text nests, found without reading it: a body of brackets alone would take fifty times its
 * own size in memory. Strings, which is where payloads are, are skipped as fast as memory is searched.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const [OPENING_BRACKET, CLOSING_BRACKET] = [0x5b, 0x5d];
const [OPENING_BRACE, CLOSING_BRACE] = [0x7b, 0x7d];

/** What is wrong with the shape of a text, as the end of a sentence; undefined when nothing is. It need not be JSON. */
export function findShapeFault(text: string): string | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = endOfString(text, at);
    else if (character === COMMA) values += 1;
    else if (character === OPENING_BRACKET || character === OPENING_BRACE) {
      values += 1;
      depth += 1;
      if (depth > JSON_DEPTH_MAX) return `got it nested deeper than ${JSON_DEPTH_MAX} levels`;
    } else if (character === CLOSING_BRACKET || character === CLOSING_BRACE) depth -= 1;
    if (values > JSON_VALUES_MAX) return `got more than ${JSON_VALUES_MAX} values in it`;
  }
  return undefined;
}

/** Where the quote is that ends the string which begins here; the text's end for one that does not end. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

function isEscaped(text: string, quote: number): boolean {
  let first = quote;
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  return (quote - first) % 2 === 1;
}
