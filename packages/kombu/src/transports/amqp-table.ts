import { KombuError } from "../errors.js";
import { NAME_BYTES_MAX } from "../limits.js";
import type { ClientTable } from "./amqp-client.js";

/**
 * Headers and arguments in AMQP's types. What Python's py-amqp writes we write: text `S`, true and false `t`, whole numbers `I`
 * or `l`, other numbers `d`, null `V`, lists `A`, objects `F`, dates `T`, bytes `x`.
 */

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const MS_PER_SECOND = 1000;

/** A value with the name of its type, as amqplib wants it. */
interface Typed {
  readonly "!": "int" | "long" | "double" | "timestamp" | "object";
  readonly value: unknown;
}

/** A table to be written. Errors: `not_serializable` for what has no form in AMQP. */
export function writeTable(values: Readonly<Record<string, unknown>>): ClientTable {
  // Without a prototype, so that a key such as __proto__ is a key.
  const table: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (Buffer.byteLength(key) > NAME_BYTES_MAX) throw notSerializable(`the key ${JSON.stringify(key)}`);
    table[key] = writeValue(value, key);
  }
  return table;
}

function writeValue(value: unknown, key: string): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return writeNumber(value);
    case "bigint":
      if (value < INT64_MIN || value > INT64_MAX)
        throw notSerializable(`${value}n in ${JSON.stringify(key)}`);
      return { "!": "long", value } satisfies Typed;
    case "object":
      return writeObject(value, key);
    default:
      throw notSerializable(`a ${typeof value} in ${JSON.stringify(key)}`);
  }
}

function writeNumber(value: number): Typed {
  if (!Number.isSafeInteger(value)) return { "!": "double", value };
  return { "!": value >= INT32_MIN && value <= INT32_MAX ? "int" : "long", value };
}

function writeObject(value: object | null, key: string): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item: unknown) => writeValue(item ?? null, key));
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Date) return writeDate(value, key);
  // Marked as what it is, because it may have a key "!" itself.
  return { "!": "object", value: writeTable(value as Readonly<Record<string, unknown>>) } satisfies Typed;
}

function writeDate(value: Date, key: string): Typed {
  const seconds = Math.floor(value.getTime() / MS_PER_SECOND);
  if (!(seconds >= 0)) throw notSerializable(`a date before 1970 in ${JSON.stringify(key)}`);
  return { "!": "timestamp", value: seconds };
}

function notSerializable(what: string): KombuError {
  return new KombuError(
    "not_serializable",
    `AMQP headers hold text, numbers up to 64 bits, true, false, null, bytes, dates, lists and objects with short keys; ${what} is none of these`,
  );
}

/** A table that was read: dates are Date, decimals numbers, bytes Buffers. */
export function readTable(table: ClientTable): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, readValue(value)]));
}

function readValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(readValue);
  if (value instanceof Uint8Array) return Buffer.from(value); // A copy: the original is a piece of what the socket read.
  const typed = value as { readonly "!"?: unknown; readonly value?: unknown };
  if (typed["!"] === "timestamp" && typeof typed.value === "number") {
    return new Date(typed.value * MS_PER_SECOND);
  }
  if (typed["!"] === "decimal") {
    const { places, digits } = typed.value as { readonly places: number; readonly digits: number };
    return digits / 10 ** places;
  }
  return readTable(value as ClientTable);
}

/** What `readTable` would make of a table of ours, once it has travelled. */
export function readBack(table: ClientTable): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, readValueBack(value)]));
}

function readValueBack(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(readValueBack);
  const typed = value as Typed;
  if (typed["!"] === "object") return readBack(typed.value as ClientTable);
  return typed["!"] === "timestamp" ? readValue(typed) : Number(typed.value);
}
