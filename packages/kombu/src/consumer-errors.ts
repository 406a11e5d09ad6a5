import { KombuError } from "./errors.js";

/** What a second loop, or a second `run`, gets of a consumer that `busy` has. */
export function inUse(busy: string): KombuError {
  return new KombuError(
    "invalid_argument",
    `this consumer is in use by ${busy}; end that first, or make another consumer`,
  );
}

/** What handling events gets where nobody said how. */
export function nothingToCall(): KombuError {
  return new KombuError(
    "invalid_argument",
    "a consumer without callbacks cannot handle events; give callbacks or onMessage, or use for await or run",
  );
}
