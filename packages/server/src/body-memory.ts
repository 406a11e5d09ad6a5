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
    let held = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#bytesMax) {
          throw new QueueError(
            "unavailable",
            "the server holds too many large requests; repeat this one later",
          );
        }
        this.#bytes += bytes;
        held += bytes;
      },
      release: () => {
        this.#bytes -= held;
        held = 0;
      },
    };
  }
}
