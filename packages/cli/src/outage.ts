import type { QueueError } from "@pullqueue/core";
import type { Output } from "./output.js";

/**
 * Times in which a server cannot be reached although it was there: told once when one begins, however often it is tried.
 * Nothing is told before `ended` was called once, because a server that was never there is a failure of the command.
 */
export class Outage {
  readonly #output: Output;
  #isSilent = true;

  constructor(output: Output) {
    this.#output = output;
  }

  /** An attempt failed and will be repeated. */
  began({ code, message }: QueueError): void {
    if (!this.#isSilent) this.#output.warn(code, `the server is away, trying until it is back: ${message}`);
    this.#isSilent = true;
  }

  /** The server has answered. */
  ended(): void {
    this.#isSilent = false;
  }
}
