import type { StoreObserver } from "@pullqueue/core";
import type { Log } from "./log.js";

/** Logs what a store warns of, and each task that it gives up, with what is needed to find it again, and how many there were since the start. */
export function taskLog(log: Log): StoreObserver {
  const counts = { dropped: 0, expired: 0, deadLettered: 0 };
  return {
    onWarning: (warning) => log.warn(warning),
    onExhausted({ queue, id, retryCount }) {
      counts.dropped += 1;
      const { dropped } = counts;
      log.warn({ ...queue, task: id, retryCount, dropped }, "a task was dropped at its retry limit");
    },
    onExpired({ queue, id, retryCount }) {
      counts.expired += 1;
      const { expired } = counts;
      log.warn(
        { ...queue, task: id, retryCount, expired },
        "a task was dropped because its retention was over",
      );
    },
    onDeadLettered({ queue, id, retryCount, deadLetter }) {
      counts.deadLettered += 1;
      const { deadLettered } = counts;
      const origin = { from: deadLetter?.queue, fromTask: deadLetter?.id, reason: deadLetter?.reason };
      log.warn(
        { ...queue, task: id, retryCount, ...origin, deadLettered },
        "a task was moved to a dead-letter queue",
      );
    },
  };
}
