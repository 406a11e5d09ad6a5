import { KombuError } from "./errors.js";
import { JSON_DEPTH_MAX } from "./limits.js";
import { checkPlace, type Place, refuseAt } from "./value-place.js";

/** What is written, and what it has for numbers. */
export interface PlainFormat {
  readonly name: string;
  /** The number as the writer wants it, or what is wrong with it. */
  readonly number: (value: number | bigint) => number | bigint | string;
}

/**
 * The same values as plain data, for the writers of MessagePack and YAML: `toJSON` is honoured except of Dates, which both have a
 * word for. Refused as `not_serializable`, with the path to it, is what would be lost without a word.
 */
export function plainValue(format: PlainFormat, value: unknown): unknown {
  return plain(format, value, undefined, "");
}

function plain(
  format: PlainFormat,
  value: unknown,
  parent: Place | undefined,
  key: string | number,
): unknown {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? value : refuseAt(format.name, "a lone surrogate", parent, key);
    case "number":
    case "bigint":
      return plainNumber(format, value, parent, key);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : plainObject(format, value, parent, key);
    default:
      return refuseAt(format.name, value === undefined ? "undefined" : `a ${typeof value}`, parent, key);
  }
}

function plainNumber(
  format: PlainFormat,
  value: number | bigint,
  parent: Place | undefined,
  key: string | number,
): number | bigint {
  const number = format.number(value);
  return typeof number === "string" ? refuseAt(format.name, number, parent, key) : number;
}

function plainObject(
  format: PlainFormat,
  value: object,
  parent: Place | undefined,
  key: string | number,
): unknown {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? refuseAt(format.name, "an invalid Date", parent, key) : value;
  }
  const given = "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON(String(key)) : value;
  if (typeof given !== "object" || given === null) return plain(format, given, parent, key);
  const place = { parent, key, container: given, depth: (parent?.depth ?? 0) + 1 };
  checkPlace(format.name, place);
  if (Array.isArray(given)) return given.map((item, index) => plain(format, item, place, index));
  const members = Object.entries(given).map(([name, item]) => [name, plain(format, item, place, name)]);
  return Object.fromEntries(members);
}

/**
 * A value that a reader gave, with integers as JSON has them: numbers where they are exact, BigInts otherwise. In place. Throws
 * `decode_failed` for what is nested deeper than JSON may be.
 */
export function withNumbers(value: unknown, depth = 0): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth > JSON_DEPTH_MAX) {
    throw new KombuError("decode_failed", `the body is nested deeper than ${JSON_DEPTH_MAX} levels`);
  }
  if (Buffer.isBuffer(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = withNumbers(value[index], depth + 1);
    return value;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const members = value as Record<string, unknown>;
  for (const [name, item] of Object.entries(members)) members[name] = withNumbers(item, depth + 1);
  return members;
}
