import type { Clock } from "@pullqueue/core";
import { type Check, stringCheck } from "./check.js";
import { isKombuError, KombuError } from "./errors.js";
import { inTime, orAbort } from "./waiting.js";

/**
 * Gives the password of now. It is asked for each connection that is made, so that passwords may rotate; the signal fires when the
 * connection is given up. Kombu's callable password, and what its credential providers are used for.
 */
export type PasswordFunction = (request: { readonly signal: AbortSignal }) => string | Promise<string>;

/** A password, or who knows it. */
export const passwordCheck: Check = {
  expected: "a string without lone surrogates, or a function that gives one",
  holds: (v) => typeof v === "function" || stringCheck.holds(v),
};

/** How a password stands in a URL: not at all where only a function knows it and nothing stands for it. */
export function passwordInUrl(password: string | PasswordFunction, mask: string | undefined): string {
  return mask ?? (typeof password === "string" ? encodeURIComponent(password) : "");
}

/** How long somebody waits for a password. */
interface PasswordWait {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The broker, for messages. */
  readonly where: string;
  readonly signal: AbortSignal;
}

/**
 * The password of now. Errors: `unavailable` when the function throws or is late, because its source may be away for a while;
 * `unauthenticated` when it gives no text. None shows what it gave.
 */
export async function passwordNow(
  password: string | PasswordFunction,
  { clock, timeoutMs, where, signal }: PasswordWait,
): Promise<string> {
  if (typeof password === "string") return password;
  const late = (ms: number) =>
    new KombuError("unavailable", `the function password gave nothing for ${where} within ${ms} ms`);
  try {
    const given: unknown = await inTime(clock, { timeoutMs, signal, late }, async (either = signal) =>
      orAbort(Promise.resolve(password({ signal: either })), either),
    );
    if (typeof given === "string" && stringCheck.holds(given)) return given;
  } catch (error) {
    if (isKombuError(error)) throw error;
    throw new KombuError("unavailable", `the function password failed for ${where}`, { cause: error });
  }
  throw new KombuError(
    "unauthenticated",
    `the function password must give ${stringCheck.expected} for ${where}`,
  );
}
