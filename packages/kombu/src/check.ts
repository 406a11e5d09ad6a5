import { describe } from "@pullqueue/core";
import { KombuError } from "./errors.js";
import { NAME_BYTES_MAX, TIMEOUT_MS_MAX } from "./limits.js";
import { suggest } from "./suggest.js";

/** What a value must be: in words, for the complaint, and as a test. */
export interface Check {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

/** True or false, not their texts. */
export const booleanCheck: Check = { expected: "true or false", holds: (v) => typeof v === "boolean" };

/** Any text that has a form in UTF-8. */
export const stringCheck: Check = {
  expected: "a string without lone surrogates",
  holds: (v) => typeof v === "string" && v.isWellFormed(),
};

/** The same, and not empty. */
export const keyCheck: Check = {
  expected: "a string that is not empty, without lone surrogates",
  holds: (v) => v !== "" && stringCheck.holds(v),
};

/** Something to call. */
export const functionCheck: Check = { expected: "a function", holds: (v) => typeof v === "function" };

/** A name of an exchange or queue, or a routing key; it may be empty. */
export const nameCheck: Check = {
  expected: `a string of at most ${NAME_BYTES_MAX} bytes of UTF-8`,
  holds: (v) => typeof v === "string" && v.isWellFormed() && Buffer.byteLength(v) <= NAME_BYTES_MAX,
};

/** The name of a queue that is to be declared. */
export const queueNameCheck: Check = {
  expected: `a queue's name: ${nameCheck.expected}, not empty`,
  holds: (v) => nameCheck.holds(v) && v !== "",
};

/** A plain object, such as AMQP's arguments. */
export const objectCheck: Check = {
  expected: "an object",
  holds: (v) => typeof v === "object" && v !== null && !Array.isArray(v),
};

/** A number within limits, both included. */
export function numberCheck(min: number, max: number, unit: string): Check {
  return {
    expected: `a number of ${unit} from ${min} to ${max}`,
    holds: (v) => typeof v === "number" && v >= min && v <= max,
  };
}

/** A whole number within limits, both included. */
export function integerCheck(min: number, max: number, unit: string): Check {
  return {
    expected: `a whole number of ${unit} from ${min} to ${max}`,
    holds: (v) => Number.isInteger(v) && (v as number) >= min && (v as number) <= max,
  };
}

/** An AbortSignal, by what makes it one. */
export const signalCheck: Check = {
  expected: "an AbortSignal",
  holds: (v) => v instanceof AbortSignal,
};

/** A time to wait, in milliseconds. */
export const timeoutCheck: Check = numberCheck(0, TIMEOUT_MS_MAX, "milliseconds");

/** One of a few texts or numbers. */
export function oneOfCheck(values: readonly (string | number)[]): Check {
  return {
    expected: `one of ${values.map((value) => JSON.stringify(value)).join(", ")}`,
    holds: (v) => values.includes(v as string),
  };
}

/** The value itself, or `invalid_argument` saying what was expected of `what` and what came. */
export function checkValue<T>(what: string, value: T, check: Check): T {
  if (check.holds(value)) return value;
  throw new KombuError("invalid_argument", `${what} must be ${check.expected}, got ${describe(value)}`);
}

/**
 * Complaints about an object of options: names that are not known, values that are not as they must be. Undefined is absent. `hint`
 * knows what to do about a name, where a likeness would not tell.
 */
export function complaintsAbout(
  what: string,
  options: object,
  checks: Readonly<Record<string, Check>>,
  hint: (name: string) => string | undefined = () => undefined,
): string[] {
  const known = Object.keys(checks);
  return Object.entries(options).flatMap(([name, value]) => {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) return [`${what} has no option ${name}${hint(name) ?? suggest(name, known)}`];
    if (value === undefined || check.holds(value)) return [];
    return [`${what}: ${name} must be ${check.expected}, got ${describe(value)}`];
  });
}

/** Throws one `invalid_argument` with every complaint about the options. */
export function checkOptions(what: string, options: object, checks: Readonly<Record<string, Check>>): void {
  checkValue(`the options of ${what}`, options, objectCheck);
  refuse(complaintsAbout(what, options, checks));
}

/** Throws one `invalid_argument` with all complaints, if there are any. */
export function refuse(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new KombuError("invalid_argument", complaints.join("; "));
}
