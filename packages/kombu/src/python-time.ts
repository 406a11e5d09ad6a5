import { KombuError } from "./errors.js";

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`, the years that Python's `datetime` has too; longer ones have a sign. */
const ISO = /^(?!0000)(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d{3})Z$/;

/** A moment as Python's `datetime.isoformat` writes it in UTC: microseconds only where there are any. Error: `not_serializable`. */
export function isoText(date: Date, separator: "T" | " "): string {
  const [, day, time, ms] = ISO.exec(Number.isNaN(date.getTime()) ? "" : date.toISOString()) ?? [];
  if (day === undefined) {
    throw new KombuError("not_serializable", "Python has no word for a Date outside the years 1 to 9999");
  }
  const fraction = ms === "000" ? "" : `.${ms}000`;
  return `${day}${separator}${time}${fraction}+00:00`;
}
