import { QueueError } from "@pullqueue/core";
import { BODIES_BYTES_MAX } from "./limits.js";

/** What one request holds of the memory for bodies. */
export interface BodyShare {
  /** Takes as much more. Throws `unavailable` when all requests together would hold too much. */
  take(bytes: number): void;
  /** Gives all of it back, when the request is answered. */
  release(): void;
}

/**
 * Memory for the bodies of all requests under way together: each alone has a limit, but a thousand of them, packed so
 * that they cost their senders next to nothing, would still be the end of the server. Who comes too late is told to
 * repeat. What counts is what has come, not what was announced, so that slow senders block nobody.
 */
export class BodyMemory {
  readonly #bytesMax: number;
  #bytes = 0;

  /** Default `BODIES_BYTES_MAX`. */
  constructor(bytesMax: number = BODIES_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  share(): BodyShare {
    return new Share(this);
  }

  /** Takes bytes, or with a negative number gives them back. For shares alone. */
  change(bytes: number): void {
    if (bytes > 0 && this.#bytes + bytes > this.#bytesMax) {
      throw new QueueError("unavailable", "the server holds too many large requests; repeat this one later");
    }
    this.#bytes += bytes;
  }
}

class Share implements BodyShare {
  readonly #memory: BodyMemory;
  #held = 0;

  constructor(memory: BodyMemory) {
    this.#memory = memory;
  }

  take(bytes: number): void {
    this.#memory.change(bytes);
    this.#held += bytes;
  }

  release(): void {
    if (this.#held === 0) return;
    this.#memory.change(-this.#held);
    this.#held = 0;
  }
}
