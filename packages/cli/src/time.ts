const US_PER_MS = 1000;

/** Microseconds since the epoch as ISO 8601 in UTC, to the millisecond. */
export function isoTime(us: number): string {
  return new Date(us / US_PER_MS).toISOString();
}
