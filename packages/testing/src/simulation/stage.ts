import type { QueueKey } from "@pullqueue/core";
import type { Model } from "./model.js";
import type { Promises } from "./promises.js";
import type { Trace } from "./trace.js";

/** What all actors of a world see. */
export interface Stage {
  readonly queues: readonly QueueKey[];
  readonly model: Model;
  readonly promises: Promises;
  readonly trace: Trace;
  /** Fires when the storm is over: then actors finish what they have in hand. */
  readonly over: AbortSignal;
}

/** Longest lease that actors take, in milliseconds. */
export const LEASE_MS_LONGEST = 60_000;
