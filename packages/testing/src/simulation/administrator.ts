import { isQueueError, type QueueKey } from "@pullqueue/core";
import type { Prng } from "../prng.js";
import type { ClientProcess } from "./client.js";
import type { Stage } from "./stage.js";

/** Something to do to a queue: its name for the trace, and the call. */
type Deed = readonly [what: string, act: () => Promise<unknown>];

/** Changes queues under everybody's hands until the storm is over. */
export async function administrate(client: ClientProcess, stage: Stage): Promise<void> {
  const { chance } = client;
  while (!stage.over.aborted) {
    await client.pause(chance.integer(2_000, 20_000), stage.over);
    const queue = chance.pick([...stage.queues, stage.deadLetters]);
    const [what, act] = chance.pick(deedsOn(queue, client, stage));
    let outcome = "done";
    try {
      await act();
    } catch (error) {
      if (!isQueueError(error)) throw error;
      outcome = error.code;
    }
    stage.trace.add(client.name, `${what} ${queue.queue}: ${outcome}`);
  }
}

/** Makes all queues as they were at the beginning, and paused ones go on. */
export async function restoreQueues(client: ClientProcess, stage: Stage): Promise<void> {
  for (const queue of [...stage.queues, stage.deadLetters]) {
    await client.store.putQueue(queue, {
      ...stage.settingsOf(queue),
      leasesPerSecond: undefined,
      storageBytesMax: undefined,
    });
    await client.store.resumeQueue(queue);
  }
}

function deedsOn(queue: QueueKey, { chance, store }: ClientProcess, stage: Stage): readonly Deed[] {
  return [
    ["purges", () => store.purge(queue)],
    ["purges the x of", () => store.purge(queue, { only: { tag: "x" } })],
    ["looks at", () => store.getQueue(queue, { stats: true })],
    ["lists", () => store.peek(queue, { limit: 10 })],
    ["counts by tag", () => store.tagStats(queue)],
    ["changes", () => store.putQueue(queue, changed(queue, chance, stage))],
    ["changes", () => store.putQueue(queue, changed(queue, chance, stage))],
    ["pauses", () => store.pauseQueue(queue)],
    ["resumes", () => store.resumeQueue(queue)],
    ["resumes", () => store.resumeQueue(queue)],
    ["redrives", () => store.redrive(queue)],
    ["redrives", () => store.redrive(stage.deadLetters)],
  ];
}

function changed(queue: QueueKey, chance: Prng, stage: Stage) {
  const isDead = queue.queue === stage.deadLetters.queue;
  return {
    ...stage.settingsOf(queue),
    maxLeases: chance.pick([undefined, 2, 3, 8]),
    leasesPerSecond: chance.pick([undefined, undefined, 1]),
    ...(isDead ? {} : { deadLetterQueue: chance.pick([undefined, stage.deadLetters.queue]) }),
  };
}
