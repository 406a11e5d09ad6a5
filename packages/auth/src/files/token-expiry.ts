/** The last second that Python can read. */
const LATEST_MS = 253_402_300_799_000;

/** `2016-05-01T12:34:56Z`, with a fraction, an offset or neither; oauth2client and Google's libraries mean UTC where they say nothing. */
const ISO_TIME = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?Z?$/;

/** Milliseconds since the epoch; undefined for what is no time. */
export function parseExpiry(value: unknown): number | undefined {
  const [, seconds, fraction = "", zone = "Z"] = ISO_TIME.exec(typeof value === "string" ? value : "") ?? [];
  if (seconds === undefined) return undefined;
  const ms = Date.parse(`${seconds.replace(" ", "T")}${fraction.slice(0, 4)}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Whole seconds, rounded down, in the one form that both Python libraries read. */
export function formatExpiry(expiresAtMs: number): string {
  const ms = Number.isNaN(expiresAtMs) ? 0 : Math.min(Math.max(0, expiresAtMs), LATEST_MS);
  return `${new Date(ms).toISOString().slice(0, "2016-05-01T12:34:56".length)}Z`;
}
