import {
  type ItemResult,
  isQueueError,
  type LeaseExtension,
  type LeaseRequest,
  type TaskWithPayload,
} from "@pullqueue/core";
import type { ClientProcess } from "./client.js";
import { keyOfPayload } from "./payload-key.js";
import { LEASE_MS_LONGEST, type Stage } from "./stage.js";

/** What a worker does with a task. Most finish it; the others are what goes wrong in real life. */
const DEEDS = [
  ...(["finish", "finish", "finish", "finish", "finish", "finish"] as const),
  ...(["renew", "renew", "giveBack", "giveBackUncounted", "forget", "tooLate"] as const),
];

/** A task in a worker's hands. */
interface Held {
  readonly task: TaskWithPayload;
  readonly key: string;
  readonly leaseMs: number;
}

/** Leases and works until the storm is over. */
export async function work(client: ClientProcess, stage: Stage): Promise<void> {
  while (!stage.over.aborted) {
    const request = leaseRequest(client);
    const tasks = await lease(client, stage, request);
    const held = tasks.map((task) => ({ task, key: keyOfPayload(task.payload), leaseMs: request.leaseMs }));
    await Promise.all(held.map((one) => handle(client, stage, one)));
    await client.pause(client.chance.integer(0, 2_000));
  }
}

function leaseRequest({ chance }: ClientProcess): LeaseRequest {
  const groupByTag = chance.integer(0, 5) === 0;
  return {
    maxTasks: chance.pick([1, 1, 3, 10]),
    leaseMs: chance.pick([1_000, 5_000, 20_000, LEASE_MS_LONGEST]),
    waitMs: chance.pick([0, 2_000, 20_000, 55_000]),
    groupByTag,
    tag: groupByTag ? chance.pick([undefined, "x"]) : undefined,
  };
}

/** Waiting leases are given up now and then, at any moment. */
async function lease(
  client: ClientProcess,
  stage: Stage,
  request: LeaseRequest,
): Promise<readonly TaskWithPayload[]> {
  const { chance } = client;
  const queues = chance.integer(0, 2) === 0 ? stage.queues : [chance.pick(stage.queues)];
  const abort = new AbortController();
  const isAborted = chance.integer(0, 3) === 0;
  const cancel = client.clock.timer(isAborted ? chance.integer(0, 5_000) : Number.POSITIVE_INFINITY, () =>
    abort.abort(new Error("the worker has changed its mind")),
  );
  try {
    return await client.store.lease(queues, request, { signal: abort.signal });
  } catch (error) {
    if (!isQueueError(error) && error !== abort.signal.reason) throw error;
    stage.trace.add(client.name, `leases nothing: ${isQueueError(error) ? error.code : "aborted"}`);
    await client.pause(chance.integer(100, 3_000));
    return [];
  } finally {
    cancel();
  }
}

async function handle(client: ClientProcess, stage: Stage, held: Held): Promise<void> {
  const { chance } = client;
  const { leaseMs, key } = held;
  const deed = chance.pick(DEEDS);
  stage.trace.add(client.name, `has ${key}, lease ${held.task.retryCount}: ${deed}`);
  await client.pause(chance.integer(0, leaseMs * 1.1));
  switch (deed) {
    case "finish":
      return finish(client, stage, held);
    case "renew":
      for (let times = chance.integer(1, 3); times > 0; times--) {
        if (!(await extend(client, stage, held, { leaseMs: chance.pick([leaseMs, leaseMs * 2]) }))) return;
        await client.pause(chance.integer(0, leaseMs));
      }
      return finish(client, stage, held);
    case "giveBack":
      return void (await extend(client, stage, held, { leaseMs: 0 }));
    case "giveBackUncounted":
      return void (await extend(client, stage, held, { leaseMs: 0, uncounted: true }));
    case "tooLate":
      await client.pause(leaseMs * 2);
      return finish(client, stage, held);
    case "forget":
  }
}

async function finish(client: ClientProcess, stage: Stage, { task, key }: Held): Promise<void> {
  const { id, retryCount, queue } = task;
  const ended = await settle(client, stage, key, () => client.store.delete(queue, [{ id, retryCount }]));
  if (ended === "ok") stage.promises.wasAcknowledged(key, queue);
  if (ended === "lease_lost") stage.promises.wasRefused(key, queue, task);
}

async function extend(
  client: ClientProcess,
  stage: Stage,
  { task, key }: Held,
  extension: Pick<LeaseExtension, "leaseMs" | "uncounted">,
): Promise<boolean> {
  const { id, retryCount, queue } = task;
  const fence = { id, retryCount, ...extension };
  const ended = await settle(client, stage, key, () => client.store.extend(queue, [fence]));
  if (ended === "lease_lost") stage.promises.wasRefused(key, queue, task);
  // After an unclear renewal a worker goes on, because the lease may be longer than it knows.
  return ended !== "lease_lost";
}

/** The outcome of a call on one task: ok, or the code of its error. */
async function settle(
  client: ClientProcess,
  stage: Stage,
  key: string,
  call: () => Promise<readonly ItemResult<unknown>[]>,
): Promise<string> {
  let ended: string;
  try {
    const [result] = await call();
    ended = result?.ok === true ? "ok" : (result?.error.code ?? "nothing");
  } catch (error) {
    if (!isQueueError(error)) throw error;
    ended = error.code;
    stage.promises.wasUnclear();
  }
  stage.trace.add(client.name, `settles ${key}: ${ended}`);
  return ended;
}
