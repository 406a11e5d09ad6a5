import { isQueueError, type NewTask, type QueueKey } from "@pullqueue/core";
import type { Prng } from "../prng.js";
import type { ClientProcess } from "./client.js";
import { payloadText } from "./payload-key.js";
import type { Stage } from "./stage.js";

/** How often a producer that chose a key publishes again what was unclear: well within ten minutes. */
const ATTEMPTS = 4;

/** Publishes tasks until the storm is over: one by one, several at once, delayed, tagged, named. */
export async function produce(client: ClientProcess, stage: Stage): Promise<void> {
  const { chance } = client;
  let count = 0;
  while (!stage.over.aborted) {
    await client.pause(chance.integer(100, 9_000), stage.over);
    const keys = Array.from({ length: chance.pick([1, 1, 2, 4]) }, () => `${client.name}/${++count}`);
    await Promise.all(keys.map((key) => publish(client, stage, key)));
  }
}

/** Publishes one task, again and again where that is harmless, until it is known to be stored. */
async function publish(client: ClientProcess, stage: Stage, key: string): Promise<void> {
  const { chance, store } = client;
  const queue = chance.pick(stage.queues);
  const task = newTask(chance, key);
  const attempts = task.idempotencyKey === undefined ? 1 : ATTEMPTS;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      const [result] = await store.insert(queue, [task]);
      if (result?.ok === true) stage.promises.wasPublished(key);
      else refused(stage, queue, key, result?.error.code);
      return;
    } catch (error) {
      if (!isQueueError(error)) throw error;
      stage.trace.add(client.name, `does not know whether ${key} is stored: ${error.code}`);
      stage.promises.wasUnclear();
    }
    await client.pause(chance.integer(500, 15_000));
  }
}

function refused(stage: Stage, { queue }: QueueKey, key: string, code: string | undefined): void {
  // Names are chosen once, and repeated inserts have a key.
  if (code === "already_exists")
    stage.books.complain(`${key} is new in ${queue} and was refused as a duplicate`);
}

function newTask(chance: Prng, key: string): NewTask {
  return {
    payload: Buffer.from(payloadText(key, chance.pick([0, 20, 300]))),
    tag: chance.pick([undefined, undefined, "x", "y"]),
    delayMs: chance.pick([undefined, undefined, chance.integer(1, 20_000)]),
    id: chance.integer(0, 7) === 0 ? key.replaceAll(/[/.]/g, "-") : undefined,
    idempotencyKey: chance.integer(0, 1) === 0 ? `key-${key}` : undefined,
  };
}
