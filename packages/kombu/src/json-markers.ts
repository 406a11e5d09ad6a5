import { KombuError } from "./errors.js";
import type { JsonTypes } from "./json-types.js";
import { JSON_DEPTH_MAX } from "./limits.js";

/**
 * Kombu since 5.3 wraps what JSON has no word for: `{"__type__": t, "__value__": v}`. A wrapped value becomes what
 * JavaScript has for it: `datetime` a Date (one without a zone is taken as UTC; microseconds are cut), `bytes` and `base64` a
 * Uint8Array, `uuid`, `decimal`, `date` and `time` their text. A program's own types come first. What is not one of these stays
 * the object it is.
 */

/** Replaces wrapped values anywhere inside a value that was just parsed, in place. */
export function readMarkers(value: unknown, types?: JsonTypes, depth = 0): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > JSON_DEPTH_MAX) {
    throw new KombuError("decode_failed", `JSON text is nested deeper than ${JSON_DEPTH_MAX} levels`);
  }
  const members = value as Record<string, unknown>;
  for (const [key, item] of Object.entries(members)) {
    // Also right for a key "__proto__", which after parsing is a member of the object itself.
    members[key] = readMarkers(item, types, depth + 1);
  }
  return unwrap(members, types);
}

function unwrap(object: Readonly<Record<string, unknown>>, types: JsonTypes | undefined): unknown {
  if (!Object.hasOwn(object, "__type__") || Object.keys(object).length !== 2) return object;
  const { __type__: type, __value__: value } = object;
  const decode = types?.decoder(type);
  if (decode !== undefined) return decode(value);
  if (type === "uuid") return uuidText(value) ?? object;
  if (typeof value !== "string") return object;
  switch (type) {
    case "datetime":
      return dateOf(value) ?? object;
    case "bytes":
      return new TextEncoder().encode(value);
    case "base64":
      return new Uint8Array(Buffer.from(value, "base64"));
    case "decimal":
    case "date":
    case "time":
      return value;
    default:
      return object;
  }
}

const HEX_DIGITS = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/i;

function uuidText(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("hex" in value)) return undefined;
  return HEX_DIGITS.exec(String(value.hex))?.slice(1).join("-");
}

const ZONE = /(?:Z|[+-]\d\d:?\d\d)$/i;

function dateOf(text: string): Date | undefined {
  const date = new Date(ZONE.test(text) ? text : `${text}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
