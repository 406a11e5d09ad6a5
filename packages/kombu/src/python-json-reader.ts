import { KombuError } from "./errors.js";
import { readMarkers } from "./json-markers.js";
import type { JsonTypes } from "./json-types.js";
import { INTEGER_DIGITS_MAX, JSON_DEPTH_MAX } from "./limits.js";

/** JSON as Python writes it, which is a little more than JSON: bare NaN and Infinity, and integers of any size. */

/**
 * The value of a JSON text. Integers beyond `Number.MAX_SAFE_INTEGER` are BigInts, exactly; `NaN`, `Infinity` and
 * `-Infinity` are numbers; kombu's `__type__` objects are what they stand for (`json-markers.ts`), or what a program's own
 * `types` make of them. Throws `decode_failed`, saying where, for anything else than JSON.
 */
export function readPythonJson(text: string, types?: JsonTypes): unknown {
  if (!PERHAPS_PYTHONS.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // One of Python's constants, or not JSON: the slower reader knows, and can say where.
    }
  }
  const value = parse(text);
  return text.includes(MARKER) ? readMarkers(value, types) : value;
}

const MARKER = '"__type__"';

/**
 * What JSON.parse alone would not do right: sixteen digits, without which there is no integer that a number may not hold, or a marker.
 * Digits are spelled out, because V8 then looks at every sixteenth character, and not at each.
 */
const PERHAPS_PYTHONS = new RegExp(`${"[0-9]".repeat(16)}|${MARKER}`);

/** An integer that a number may not hold exactly. One inside a string costs time, no more. */
const LONG_INTEGER = /(?:^|[[:,\s])-?\d{16}/;

function parse(text: string): unknown {
  if (!LONG_INTEGER.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      // What JSON does not know, Python may.
    }
  }
  return new Reader(text).read();
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const WORD = /-?[A-Za-z]+/y;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

/** Reads one text from front to back, recursing at most `JSON_DEPTH_MAX` times. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): unknown {
    const value = this.#value(1);
    if (this.#peek() !== "") this.#fail("the end of the text");
    return value;
  }

  #value(depth: number): unknown {
    if (depth > JSON_DEPTH_MAX) this.#fail(`at most ${JSON_DEPTH_MAX} levels`);
    switch (this.#peek()) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(depth: number): object {
    const object = {};
    this.#at++;
    if (this.#take("}")) return object;
    do {
      if (this.#peek() !== '"') this.#fail("a name in quotes");
      const key = this.#string();
      if (!this.#take(":")) this.#fail('":"');
      const value = this.#value(depth + 1);
      // Not an assignment, which for a key "__proto__" would set the prototype.
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail('"," or "}"');
    return object;
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    this.#at++;
    if (this.#take("]")) return array;
    do array.push(this.#value(depth + 1));
    while (this.#take(","));
    if (!this.#take("]")) this.#fail('"," or "]"');
    return array;
  }

  #string(): string {
    const start = this.#at;
    let end = this.#text.indexOf('"', start + 1);
    while (end !== -1 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (end === -1) this.#fail("a string with an end");
    this.#at = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, this.#at));
    } catch {
      this.#at = start;
      return this.#fail("a string without control characters and unknown escapes");
    }
  }

  /** An odd number of backslashes stands before the quote. */
  #isEscaped(quote: number): boolean {
    let before = quote - 1;
    while (this.#text[before] === "\\") before--;
    return (quote - before) % 2 === 0;
  }

  #scalar(): unknown {
    const number = this.#match(NUMBER);
    if (number !== undefined) return this.#number(number);
    const start = this.#at;
    const word = this.#match(WORD)?.[0] ?? "";
    if (WORDS.has(word)) return WORDS.get(word);
    this.#at = start;
    return this.#fail("a value");
  }

  #number([digits, fraction, exponent]: RegExpExecArray): number | bigint {
    const number = Number(digits);
    if (fraction !== undefined || exponent !== undefined || Number.isSafeInteger(number)) return number;
    if (digits.length > INTEGER_DIGITS_MAX) this.#fail(`an integer of at most ${INTEGER_DIGITS_MAX} digits`);
    return BigInt(digits);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  /** The next character that is not white space; empty at the end. */
  #peek(): string {
    this.#match(SPACE);
    return this.#text[this.#at] ?? "";
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    const got = rest === "" ? "the end" : JSON.stringify(rest);
    throw new KombuError(
      "decode_failed",
      `JSON text: expected ${expected} at character ${this.#at}, got ${got}`,
    );
  }
}
