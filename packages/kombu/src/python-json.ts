import { KombuError } from "./errors.js";
import { INTEGER_DIGITS_MAX, JSON_DEPTH_MAX } from "./limits.js";

/** JSON text as Python's `json.dumps` writes it, so that what we store is byte for byte what kombu stores. */

/** A container on the way to a value: gives errors their path, and finds cycles. */
interface Place {
  readonly parent: Place | undefined;
  readonly key: string | number;
  readonly container: object;
  readonly depth: number;
}

/**
 * The value as JSON text with Python's separators, ASCII escapes and floats. Safe integers and BigInts are written as
 * integers, all other numbers as Python writes floats. `toJSON` is honoured, so a Date is its ISO text. Refused as
 * `not_serializable`, with the path to it, is what JSON cannot say or Python not read: undefined, NaN, functions, bytes, Maps,
 * cycles, over 500 levels, integers of over 4300 digits.
 */
export function writePythonJson(value: unknown): string {
  return write(value, undefined, "");
}

function write(value: unknown, parent: Place | undefined, key: string | number): string {
  switch (typeof value) {
    case "string":
      return writeString(value);
    case "number":
      return Number.isFinite(value) ? writeNumber(value) : refuse(`${value}`, parent, key);
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return writeBigInt(value, parent, key);
    case "object":
      return value === null ? "null" : writeObject(value, parent, key);
    default:
      return refuse(value === undefined ? "undefined" : `a ${typeof value}`, parent, key);
  }
}

function writeObject(value: object, parent: Place | undefined, key: string | number): string {
  if (value instanceof Date && Number.isNaN(value.getTime())) return refuse("an invalid Date", parent, key);
  const plain = "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON(String(key)) : value;
  if (typeof plain !== "object" || plain === null) return write(plain, parent, key);
  const place = { parent, key, container: plain, depth: (parent?.depth ?? 0) + 1 };
  checkPlace(place);
  return Array.isArray(plain) ? writeArray(plain, place) : writeMembers(plain, place);
}

function writeArray(values: readonly unknown[], place: Place): string {
  let text = "";
  for (let index = 0; index < values.length; index++) {
    const item = write(values[index], place, index);
    text += index === 0 ? item : `, ${item}`;
  }
  return `[${text}]`;
}

function writeMembers(members: Readonly<Record<string, unknown>>, place: Place): string {
  let text = "";
  for (const name of Object.keys(members)) {
    const item = write(members[name], place, name);
    text += `${text === "" ? "" : ", "}${writeString(name)}: ${item}`;
  }
  return `{${text}}`;
}

/** Printable ASCII without quotes and backslashes: what both languages write as it is. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

/** JSON text of a string, in ASCII alone. */
export function writeString(text: string): string {
  if (PLAIN_TEXT.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Python changes to an exponent at other sizes than JavaScript, and gives it two digits. */
const EXPONENT_BELOW = 1e-4;
const EXPONENT_FROM = 1e16;

/**
 * JavaScript has one type of number where Python has two. A safe integer is Python's int; what is larger was a float when it
 * was made, and written as one it is read as the same number on both sides.
 */
function writeNumber(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  const size = Math.abs(value);
  if (size >= EXPONENT_BELOW && size < EXPONENT_FROM) {
    const text = String(value);
    return text.includes(".") ? text : `${text}.0`;
  }
  return value.toExponential().replace(/e([+-])([0-9])$/, (_, sign, digit) => `e${sign}0${digit}`);
}

function writeBigInt(value: bigint, parent: Place | undefined, key: string | number): string {
  const text = value.toString();
  if (text.length <= INTEGER_DIGITS_MAX) return text;
  return refuse(`an integer of over ${INTEGER_DIGITS_MAX} digits, which Python does not read`, parent, key);
}

function checkPlace({ container, parent, key, depth }: Place): void {
  for (let above = parent; above !== undefined; above = above.parent) {
    if (above.container === container) refuse("an object that contains itself", parent, key);
  }
  if (depth > JSON_DEPTH_MAX) refuse(`something nested deeper than ${JSON_DEPTH_MAX} levels`, parent, key);
  const prototype = Object.getPrototypeOf(container);
  if (prototype === Object.prototype || prototype === Array.prototype || prototype === null) return;
  const hint = FOREIGN_OBJECTS.find(([type]) => container instanceof type)?.[1];
  if (hint !== undefined) refuse(hint, parent, key);
}

/** Objects that have no members of their own to write, so that their content would be lost without a word; and what to do. */
const FOREIGN_OBJECTS: readonly (readonly [abstract new (...args: never[]) => object, string])[] = [
  [Object.getPrototypeOf(Uint8Array), "bytes (publish them as the whole body, or as base64 text)"],
  [ArrayBuffer, "an ArrayBuffer (publish a Uint8Array as the whole body, or base64 text)"],
  [Map, "a Map (use Object.fromEntries)"],
  [Set, "a Set (use Array.from)"],
  [Promise, "a promise (await it first)"],
  [Error, "an error (write its name and message)"],
  [RegExp, "a regular expression (write its source)"],
];

function refuse(what: string, parent: Place | undefined, key: string | number): never {
  throw new KombuError("not_serializable", `JSON cannot hold ${what}, at ${pathOf(parent, key)}`);
}

/** `$.a[0]["odd name"]`, of which the middle is left out when it is long. */
function pathOf(parent: Place | undefined, key: string | number): string {
  const steps: string[] = [];
  let name = key;
  for (let place = parent; place !== undefined; place = place.parent) {
    steps.unshift(stepOf(name));
    name = place.key;
  }
  if (steps.length > PATH_STEPS_SHOWN)
    steps.splice(PATH_STEPS_SHOWN / 2, steps.length - PATH_STEPS_SHOWN, "…");
  return `$${steps.join("")}`;
}

const PATH_STEPS_SHOWN = 20;

function stepOf(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
