import { isQueueError, limits, type QueueKey } from "@pullqueue/core";
import { restoreQueues } from "./administrator.js";
import type { ClientProcess } from "./client.js";
import { keyOfPayload, payloadText } from "./payload-key.js";
import { LEASE_MS_LONGEST, type Stage } from "./stage.js";
import { LATE_MS_MAX } from "./weather.js";
import type { World } from "./world.js";

/** How long actors may take to come to an end, in milliseconds: the longest deed of a worker, and every repetition. */
const END_MS = 20 * 60_000;

/** A lease that nobody ever gives back would last for as long, in milliseconds: far beyond the end of the world. */
const ABORTED_LEASE_MS = 6 * 3_600_000;

/** How long it takes at most until every task has been available, in milliseconds. */
const DRAIN_MS = 4 * LEASE_MS_LONGEST;

/** How many leases are given up, and how many tasks must wake somebody. */
const ABORTS = 6;
const PROBES = 6;

/** How long a task may take from its publisher to a worker that waits for it, in milliseconds. */
const PROBE_MS = 1_000;

/** After the storm everything must come right: actors end, nobody sleeps through a task, and every task has an end. */
export async function finale(world: World): Promise<void> {
  const { time, books, players } = world;
  world.endStorm();
  const isDone = () => players.every((player) => player.isDone) || books.complaints.length > 0;
  if (!(await time.pass(END_MS, isDone))) {
    const names = players.filter((player) => !player.isDone).map(({ client }) => client.name);
    books.complain(`${names.join(", ")} did not come to an end`);
  }
  // What is still on its way arrives, and waits for as long as it may: nobody has asked for that any more.
  await time.pass(LATE_MS_MAX + limits.WAIT_MS_MAX, () => books.complaints.length > 0);
  if (books.complaints.length > 0) return;
  const client = world.newClient("finale", 0);
  await play(world, "queues are restored", (stage) => restoreQueues(client, stage));
  await play(world, "leases are given up", (stage) => giveUpLeases(client, stage));
  for (const task of books.tasks.values()) {
    if (task.etaUs > time.nowUs + (ABORTED_LEASE_MS / 2) * 1000) {
      books.complain(`${task.key} stays leased after an abort, by lease ${task.retryCount}`);
    }
  }
  await play(world, "everything is taken", (stage) => drain(client, stage, world));
  await world.inspect();
  await time.pass(0);
  if (books.complaints.length === 0) world.promises.checkAllEnded();
}

/** Lets an act play to its end. */
async function play(world: World, what: string, act: (stage: Stage) => Promise<void>): Promise<void> {
  const { time, books } = world;
  if (books.complaints.length > 0) return;
  let isDone = false;
  act(world.stage).then(
    () => {
      isDone = true;
    },
    (error: unknown) =>
      books.complain(`the finale failed: ${error instanceof Error ? error.stack : String(error)}`),
  );
  world.trace.add("world", `${what}`);
  const ended = await time.pass(END_MS, () => isDone || books.complaints.length > 0);
  if (!ended) books.complain("the finale does not come to an end");
}

/** Leases that are given up while tasks come in: nothing may stay leased. */
async function giveUpLeases(client: ClientProcess, stage: Stage): Promise<void> {
  const { chance, store } = client;
  for (let count = 0; count < ABORTS; count++) {
    const queue = chance.pick(stage.queues);
    const abort = new AbortController();
    const reason = new Error("the finale gives up");
    const request = { maxTasks: 3, leaseMs: ABORTED_LEASE_MS, waitMs: 20_000 };
    const leasing = store.lease([queue], request, { signal: abort.signal }).catch((error: unknown) => {
      if (error !== reason) throw error;
      return [];
    });
    const inserting = client
      .pause(chance.integer(0, 120))
      .then(() => insert(client, stage, queue, `probe.a/${count}`));
    await client.pause(chance.integer(0, 240));
    abort.abort(reason);
    const [tasks] = await Promise.all([leasing, inserting]);
    // It was quicker than the abort.
    const releases = tasks.map(({ id, retryCount }) => ({ id, retryCount, leaseMs: 0, uncounted: true }));
    for (const result of await store.extend(queue, releases)) {
      if (!result.ok)
        stage.books.complain(`a lease cannot be given back in a calm world: ${result.error.message}`);
    }
  }
}

/** Takes all tasks that are left, and then some that come while it waits. */
async function drain(client: ClientProcess, stage: Stage, { time, books }: World): Promise<void> {
  const untilMs = time.elapsedMs + DRAIN_MS;
  for (const queue of [...stage.queues, stage.deadLetters, ...stage.queues]) {
    const isLeft = () => books.tasksOf(queue).length > 0;
    while (isLeft() && time.elapsedMs < untilMs) await takeSome(client, stage, queue);
    if (isLeft()) books.complain(`${queue.queue} cannot be emptied`);
  }
  for (let count = 0; count < PROBES; count++) {
    const queue = client.chance.pick(stage.queues);
    const taking = takeSome(client, stage, queue).then((keys) => ({ keys, atMs: time.elapsedMs }));
    await client.pause(client.chance.integer(0, 3_000));
    const key = `probe.b/${count}`;
    await insert(client, stage, queue, key);
    const insertedMs = time.elapsedMs;
    const { keys, atMs } = await taking;
    if (!keys.includes(key) || atMs - insertedMs > PROBE_MS)
      books.complain(`${key} did not wake its worker in time`);
  }
}

/** Leases, waiting, and finishes what came. */
async function takeSome(client: ClientProcess, stage: Stage, queue: QueueKey): Promise<readonly string[]> {
  const tasks = await client.store.lease([queue], { maxTasks: 10, leaseMs: 30_000, waitMs: 20_000 });
  const keys = tasks.map(({ payload }) => keyOfPayload(payload));
  const results = await client.store.delete(
    queue,
    tasks.map(({ id, retryCount }) => ({ id, retryCount })),
  );
  for (const [index, result] of results.entries()) {
    stage.trace.add(client.name, `finishes ${keys[index]}`);
    if (result.ok) stage.promises.wasAcknowledged(keys[index]!, queue);
    else stage.books.complain(`${keys[index]} cannot be finished in a calm world: ${result.error.code}`);
  }
  return keys;
}

async function insert(client: ClientProcess, stage: Stage, queue: QueueKey, key: string): Promise<void> {
  const [result] = await client.store.insert(queue, [{ payload: Buffer.from(payloadText(key, 0)) }]);
  if (result?.ok === true) stage.promises.wasPublished(key);
  else
    stage.books.complain(
      `${key} cannot be published in a calm world: ${isQueueError(result?.error) ? result.error.code : ""}`,
    );
}
