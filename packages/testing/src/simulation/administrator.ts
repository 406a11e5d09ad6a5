import { DEFAULT_QUEUE_SETTINGS, isQueueError } from "@pullqueue/core";
import type { ClientProcess } from "./client.js";
import type { Stage } from "./stage.js";

/** Changes queues under everybody's hands until the storm is over. */
export async function administrate(client: ClientProcess, stage: Stage): Promise<void> {
  const { chance, store } = client;
  while (!stage.over.aborted) {
    await client.pause(chance.integer(5_000, 60_000), stage.over);
    const queue = chance.pick(stage.queues);
    const [what, act] = chance.pick([
      ["purges", () => store.purge(queue)],
      ["looks at", () => store.getQueue(queue, { stats: true })],
      ["lists", () => store.peek(queue, { limit: 10 })],
      [
        "limits",
        () =>
          store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: chance.pick([undefined, 2, 3, 8]) }),
      ],
    ] as const);
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
