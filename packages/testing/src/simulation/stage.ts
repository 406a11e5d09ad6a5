import type { QueueKey, QueueSettings } from "@pullqueue/core";
import type { Books } from "./books.js";
import type { Promises } from "./promises.js";
import type { Trace } from "./trace.js";

/** What all actors of a world see. */
export interface Stage {
  readonly queues: readonly QueueKey[];
  /** Where the dead letters go. */
  readonly deadLetters: QueueKey;
  /** What a queue was made with. */
  readonly settingsOf: (queue: QueueKey) => QueueSettings;
  readonly books: Books;
  readonly promises: Promises;
  readonly trace: Trace;
  /** Fires when the storm is over: then actors finish what they have in hand. */
  readonly over: AbortSignal;
}

/** Longest lease that actors take, in milliseconds. */
export const LEASE_MS_LONGEST = 60_000;
