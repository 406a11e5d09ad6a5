/**
 * Changes to a JSON text that leave all the rest of it as it was: a message that is given back must not lose a digit, a
 * space or an unknown field, as it would when it was read and written again.
 */

/** From where to where something stands in a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const WHITE = /[ \t\n\r]*/y;
const PRIMITIVE = /[^\s,\]}]+/y;

function skipWhite(text: string, at: number): number {
  WHITE.lastIndex = at;
  WHITE.exec(text);
  return WHITE.lastIndex;
}

/** Behind the text that begins at `at`. */
function skipString(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let escapes = 0;
    while (text[quote - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** Behind the value that begins at `at`. */
function skipValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return skipString(text, at);
  if (first !== "{" && first !== "[") {
    PRIMITIVE.lastIndex = at;
    PRIMITIVE.exec(text);
    return Math.max(PRIMITIVE.lastIndex, at + 1);
  }
  let depth = 0;
  for (let place = at; place < text.length; ) {
    const character = text[place];
    if (character === '"') {
      place = skipString(text, place);
      continue;
    }
    if (character === "{" || character === "[") depth++;
    if (character === "}" || character === "]") depth--;
    place++;
    if (depth === 0) return place;
  }
  return text.length;
}

/** Where the value of a member of an object stands; the last one of that name, as readers take it. Undefined: there is none. */
export function memberSpan(text: string, objectAt: number, name: string): Span | undefined {
  let found: Span | undefined;
  let at = skipWhite(text, objectAt + 1);
  while (text[at] === '"') {
    const keyEnd = skipString(text, at);
    const key = text.slice(at, keyEnd);
    const start = skipWhite(text, skipWhite(text, keyEnd) + 1); // Behind the colon.
    const end = skipValue(text, start);
    if (key === JSON.stringify(name)) found = { start, end };
    at = skipWhite(text, end);
    if (text[at] !== ",") break;
    at = skipWhite(text, at + 1);
  }
  return found;
}

/** Where the first item of a list stands. */
export function firstItemSpan(text: string): Span {
  const start = skipWhite(text, skipWhite(text, 0) + 1);
  return { start, end: skipValue(text, start) };
}

/** The text with a member of the object at `objectAt` set to a value, which is JSON. */
export function withMember(text: string, objectAt: number, name: string, value: string): string {
  const known = memberSpan(text, objectAt, name);
  if (known !== undefined) return text.slice(0, known.start) + value + text.slice(known.end);
  const end = skipValue(text, objectAt) - 1;
  const isEmpty = text.slice(objectAt + 1, end).trim() === "";
  return `${text.slice(0, end)}${isEmpty ? "" : ", "}${JSON.stringify(name)}: ${value}${text.slice(end)}`;
}
