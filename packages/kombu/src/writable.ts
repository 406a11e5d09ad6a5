/** Levels of lists and objects that are kept: less than any broker allows. */
const LEVELS_KEPT = 100;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * Headers and properties that came in a form which nobody may write: NaN, bytes in JSON, dates before 1970 in AMQP, what is nested
 * too deeply. The same as every broker can hold it: text where there is nothing better, so that a message with such headers can be moved.
 */
export function writable(value: unknown, level = 0): unknown {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return value >= INT64_MIN && value <= INT64_MAX ? value : String(value);
    case "object":
      return value === null ? null : writableObject(value, level);
    case "undefined":
      return null;
    default:
      return value;
  }
}

function writableObject(value: object, level: number): unknown {
  if (value instanceof Date) return writableDate(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (level >= LEVELS_KEPT) return "…";
  if (Array.isArray(value)) return value.map((item) => writable(item, level + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, writable(item, level + 1)]));
}

function writableDate(date: Date): Date | string {
  const ms = date.getTime();
  if (Number.isNaN(ms)) return String(date);
  return ms < 0 ? date.toISOString() : date;
}
