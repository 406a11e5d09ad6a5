const US_PER_MS = 1000;

/** A time ahead in the words of people: `43 min`. Below a minute in seconds, rounded down, so that nobody trusts in more than there is. */
export function durationText(ms: number): string {
  const units = [
    [86_400_000, "days"],
    [3_600_000, "h"],
    [60_000, "min"],
  ] as const;
  const [unitMs, name] = units.find(([size]) => ms >= 2 * size || (size === 60_000 && ms >= size)) ?? [
    1000,
    "s",
  ];
  return `${Math.max(0, Math.floor(ms / unitMs))} ${name}`;
}

/** Microseconds since the epoch as ISO 8601 in UTC, to the millisecond. */
export function isoTime(us: number): string {
  return new Date(us / US_PER_MS).toISOString();
}
