import { QueueError } from "@pullqueue/core";

/** What turns the text of an option into its value. Each throws `invalid_argument`, saying what is expected and what came. */

/** One option. Its key in a configuration file is its property in `SERVE_OPTIONS`. */
export interface ServeOption<T> {
  /** As on the command line, without the value. */
  readonly flag: string;
  /** The name of the value in help texts. */
  readonly value: string;
  readonly variable: string;
  /** By its variable or in a file alone: others can read a command line. */
  readonly secret?: true;
  /** A sentence for the help text. */
  readonly description: string;
  /** Undefined when the option may be absent. */
  readonly default: T;
  /** The value of what was given (text, or what a file holds). Throws `invalid_argument` saying what is expected. */
  readonly read: (given: unknown) => T;
}

/** A text that is not empty. */
export function text(given: unknown): string {
  if (typeof given === "string" && given !== "") return given;
  throw expected("a text", given);
}

/** A whole number within bounds. */
export function integer(minimum: number, maximum: number): (given: unknown) => number {
  return (given) => {
    const value = typeof given === "string" && /^[0-9]{1,15}$/.test(given) ? Number(given) : given;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= maximum) {
      return value;
    }
    throw expected(`a whole number from ${minimum} to ${maximum}`, given);
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(choices: readonly T[]): (given: unknown) => T {
  return (given) => {
    const choice = choices.find((candidate) => candidate === given);
    if (choice !== undefined) return choice;
    throw expected(choices.join(", "), given);
  };
}

/** `true` or `false`, as a word or as a file has it. */
export function boolean(given: unknown): boolean {
  if (given === true || given === "true") return true;
  if (given === false || given === "false") return false;
  throw expected("true or false", given);
}

/** Several values with commas between them, or a list in a file; each is read by `readItem`. */
export function listOf<T>(readItem: (given: unknown) => T): (given: unknown) => readonly T[] {
  return (given) => {
    const items = Array.isArray(given) ? given : text(given).split(",");
    return Object.freeze(items.map((item) => readItem(typeof item === "string" ? item.trim() : item)));
  };
}

/** A URL to which secrets may be sent: https, or this machine. */
export function secureUrl(given: unknown): string {
  const url = URL.canParse(text(given)) ? new URL(text(given)) : undefined;
  const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
  if (url?.protocol === "https:" || (url?.protocol === "http:" && loopback.test(url.hostname)))
    return url.href;
  throw expected("a URL with https (or http to this machine)", given);
}

/** The complaint of a reader. */
export function expected(what: string, given: unknown): QueueError {
  const shown = JSON.stringify(given) ?? String(given);
  return new QueueError("invalid_argument", `expected ${what}, got ${shown.slice(0, 100)}`);
}
