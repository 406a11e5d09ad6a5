/** A count that somebody wrote into a message's headers; 0 for what is none, whoever it came from. */
export function countOf(value: unknown): number {
  const count = typeof value === "bigint" ? Number(value) : value;
  return typeof count === "number" && Number.isSafeInteger(count) && count > 0 ? count : 0;
}
