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

/** Any text, as long as it is one. */
export const textCheck: Check = { expected: "a string", holds: (v) => typeof v === "string" };

/** Bytes, also those of a Buffer. */
export const bytesCheck: Check = { expected: "a Uint8Array", holds: (v) => v instanceof Uint8Array };

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

/** An object that can do what is named. */
export function methodsCheck(expected: string, ...names: readonly string[]): Check {
  return {
    expected,
    holds: (v) =>
      typeof v === "object" && v !== null && names.every((name) => functionCheck.holds(Reflect.get(v, name))),
  };
}

/** What a check says, or nothing. */
export function optional({ expected, holds }: Check): Check {
  return { expected: `${expected}, or left out`, holds: (v) => v === undefined || holds(v) };
}

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

/** A list of serializer names or content types. */
export const acceptCheck: Check = {
  expected: "an array of serializer names or content types",
  holds: (v) => Array.isArray(v) && v.every((item) => typeof item === "string"),
};

/** What tells the time. */
export const clockCheck: Check = methodsCheck("a Clock, such as connection.clock", "nowUs", "timer");

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

/** What else is known about options. */
interface ComplaintOptions {
  /** What cannot be left out. */
  readonly needed?: readonly string[];
  readonly hint?: (name: string) => string | undefined;
}

/**
 * Complaints about an object of options: names that are not known, values that are not as they must be, those that are needed and are
 * not there. Undefined is absent. `hint` knows what to do about a name, where a likeness would not tell.
 */
export function complaintsAbout(
  what: string,
  options: object,
  checks: Readonly<Record<string, Check>>,
  { needed = [], hint = () => undefined }: ComplaintOptions = {},
): string[] {
  const known = Object.keys(checks);
  const missing = needed.filter((name) => Reflect.get(options, name) === undefined);
  const complaints = missing.map((name) => `${what}: ${name} must be ${checks[name]!.expected}, got nothing`);
  const others = Object.entries(options).flatMap(([name, value]) => {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) return [`${what} has no option ${name}${hint(name) ?? suggest(name, known)}`];
    if (value === undefined || check.holds(value)) return [];
    return [`${what}: ${name} must be ${check.expected}, got ${describe(value)}`];
  });
  return [...complaints, ...others];
}

/** Throws one `invalid_argument` with every complaint about the options. */
export function checkOptions(
  what: string,
  options: object,
  checks: Readonly<Record<string, Check>>,
  needed: readonly string[] = [],
): void {
  if (areFine(options, checks, needed)) return;
  checkValue(`the options of ${what}`, options, objectCheck);
  refuse(complaintsAbout(what, options, checks, { needed }));
}

/** Whether there is nothing to complain about: asked for every message, and so without lists of anything. */
function areFine(
  options: object,
  checks: Readonly<Record<string, Check>>,
  needed: readonly string[],
): boolean {
  if (!objectCheck.holds(options)) return false;
  for (const name of needed) if (Reflect.get(options, name) === undefined) return false;
  for (const name of Object.keys(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    const value: unknown = Reflect.get(options, name);
    if (check === undefined || (value !== undefined && !check.holds(value))) return false;
  }
  return true;
}

/** The same for an object that a program makes to be called: its methods may be its class's, and what else it has is its own. */
export function checkContract(
  what: string,
  value: object,
  checks: Readonly<Record<string, Check>>,
  needed: readonly string[],
): void {
  checkValue(what, value, objectCheck);
  const known = Object.fromEntries(Object.keys(checks).map((name) => [name, Reflect.get(value, name)]));
  refuse(complaintsAbout(what, known, checks, { needed }));
}

const SIGNAL_CHECKS = { signal: signalCheck };

/** The same for a call that takes a signal and nothing else. */
export function checkSignal(what: string, options: object): void {
  checkOptions(what, options, SIGNAL_CHECKS);
}

/** Throws one `invalid_argument` with all complaints, if there are any. */
export function refuse(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new KombuError("invalid_argument", complaints.join("; "));
}
