import { QueueError } from "./errors.js";

/** Fields of foreign JSON, with exact complaints. An absent field and null are the same. */

/** A JSON object whose fields are not known yet. */
export type JsonObject = { readonly [field: string]: unknown };

/** The value as an object; `what` names it in the complaint. */
export function readObject(value: unknown, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(what, "a JSON object", value);
}

/** A field that holds an object. */
export function readOptionalObject(object: JsonObject, field: string): JsonObject | undefined {
  const value = object[field];
  return value === undefined || value === null ? undefined : readObject(value, field);
}

/** A text field. */
export function readString(object: JsonObject, field: string): string | undefined {
  const value = object[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  throw wrong(field, "a string", value);
}

/** A whole number, or one written as a decimal string, as Google's int64 fields are. */
export function readInteger(object: JsonObject, field: string): number | undefined {
  const value = object[field];
  if (value === undefined || value === null) return undefined;
  const number = typeof value === "string" && /^-?[0-9]{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw wrong(field, "a whole number (or one in a string)", value);
}

/** Any finite number. */
export function readNumber(object: JsonObject, field: string): number | undefined {
  const value = object[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(field, "a number", value);
}

/** A boolean field. */
export function readBoolean(object: JsonObject, field: string): boolean | undefined {
  const value = object[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean") return value;
  throw wrong(field, "true or false", value);
}

/** An array of texts; absent is empty. */
export function readStrings(object: JsonObject, field: string): readonly string[] {
  const value = object[field] ?? [];
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw wrong(field, "an array of strings", value);
}

/** An array of anything; absent is empty. */
export function readArray(object: JsonObject, field: string): readonly unknown[] {
  const value = object[field] ?? [];
  if (Array.isArray(value)) return value;
  throw wrong(field, "an array", value);
}

/** The value of a field that must be there. */
export function required<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new QueueError("invalid_argument", `${field} must be specified`, {
    location: field,
    reason: "required",
  });
}

function wrong(field: string, expected: string, value: unknown): QueueError {
  return new QueueError("invalid_argument", `${field} must be ${expected}, got ${describe(value)}`, {
    location: field,
  });
}

/** A value in a complaint: its type, and its text when that is short. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object") return "an object";
  // JSON has no word for NaN, and writes null.
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}… (${text.length} characters)` : text;
}
