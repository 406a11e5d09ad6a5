import type { JsonTypes } from "./json-types.js";
import { INTEGER_DIGITS_MAX } from "./limits.js";
import { checkPlace, type Place, refuseAt } from "./value-place.js";

/** JSON text as Python's `json.dumps` writes it, so that what we store is byte for byte what kombu stores. */

const FORMAT = "JSON";

/**
 * The value as JSON text with Python's separators, ASCII escapes and floats. Safe integers and BigInts are written as
 * integers, all other numbers as Python writes floats. `toJSON` is honoured, so a Date is its ISO text. Refused as
 * `not_serializable`, with the path to it, is what JSON cannot say or Python not read: undefined, NaN, functions, bytes, Maps,
 * cycles, over 500 levels, integers of over 4300 digits. `types` replaces values of classes that it knows.
 */
export function writePythonJson(value: unknown, types?: JsonTypes): string {
  return write(value, undefined, "", types);
}

function write(value: unknown, parent: Place | undefined, key: string | number, types?: JsonTypes): string {
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
      return value === null ? "null" : writeObject(value, parent, key, types);
    default:
      return refuse(value === undefined ? "undefined" : `a ${typeof value}`, parent, key);
  }
}

function writeObject(
  value: object,
  parent: Place | undefined,
  key: string | number,
  types: JsonTypes | undefined,
): string {
  if (value instanceof Date && Number.isNaN(value.getTime())) return refuse("an invalid Date", parent, key);
  const replaced = types?.replace(value);
  const plain = replaced === undefined ? replacedByItself(value, key) : replaced.plain;
  if (typeof plain !== "object" || plain === null) return write(plain, parent, key, types);
  const place = { parent, key, container: plain, depth: (parent?.depth ?? 0) + 1 };
  checkPlace(FORMAT, place);
  if (Array.isArray(plain)) return writeArray(plain, place, types);
  return writeMembers(plain as Readonly<Record<string, unknown>>, place, types);
}

/** What `toJSON` gives. A Buffer's would be an object with a list of numbers, which nobody means. */
function replacedByItself(value: object, key: string | number): unknown {
  if (value instanceof Uint8Array || !("toJSON" in value) || typeof value.toJSON !== "function") return value;
  return value.toJSON(String(key));
}

function writeArray(values: readonly unknown[], place: Place, types: JsonTypes | undefined): string {
  let text = "";
  for (let index = 0; index < values.length; index++) {
    const item = write(values[index], place, index, types);
    text += index === 0 ? item : `, ${item}`;
  }
  return `[${text}]`;
}

function writeMembers(
  members: Readonly<Record<string, unknown>>,
  place: Place,
  types: JsonTypes | undefined,
): string {
  let text = "";
  for (const name of Object.keys(members)) {
    const item = write(members[name], place, name, types);
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
export function writeNumber(value: number): string {
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

function refuse(what: string, parent: Place | undefined, key: string | number): never {
  return refuseAt(FORMAT, what, parent, key);
}
