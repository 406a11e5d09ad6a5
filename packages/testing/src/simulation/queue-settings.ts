import { DEFAULT_QUEUE_SETTINGS, type QueueKey, type QueueSettings } from "@pullqueue/core";
import type { Prng } from "../prng.js";

/** What a queue of a seed's world is made with. Retention is never changed later, so that a task's is known. */
export function someSettings(chance: Prng, deadLetters: QueueKey): QueueSettings {
  return {
    ...DEFAULT_QUEUE_SETTINGS,
    maxLeases: chance.pick([undefined, 2, 3, 5]),
    deadLetterQueue: chance.pick([undefined, deadLetters.queue, deadLetters.queue]),
    retentionMs: chance.pick([undefined, undefined, undefined, 15_000, 60_000]),
    storageBytesMax: chance.pick([undefined, undefined, undefined, 2_000]),
    leasesPerSecond: chance.pick([undefined, undefined, undefined, 0.5, 3]),
  };
}

/** The same for the queue of dead letters: what ends there, ends. */
export function deadLetterSettings(chance: Prng): QueueSettings {
  return {
    ...DEFAULT_QUEUE_SETTINGS,
    maxLeases: chance.pick([undefined, 3]),
    retentionMs: chance.pick([undefined, undefined, 40_000]),
  };
}
