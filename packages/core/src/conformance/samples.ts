import type { QueueAdmin, QueueStore } from "../store.js";
import {
  DEFAULT_QUEUE_SETTINGS,
  type LeaseRequest,
  type NewTask,
  type QueueKey,
  type QueueSettings,
  type Task,
  type TaskWithPayload,
} from "../task.js";
import { only, soleValue, values } from "./expect.js";
import type { StoreUnderTest } from "./store-under-test.js";

/** The queue of most cases. */
export const QUEUE: QueueKey = Object.freeze({ project: "conformance", queue: "queue" });

/** Another queue of the same project. */
export const OTHER_QUEUE: QueueKey = Object.freeze({ project: "conformance", queue: "other-queue" });

/** Where the dead letters of the usual queue go. */
export const DEAD_LETTERS: QueueKey = Object.freeze({ project: "conformance", queue: "dead-letters" });

/** A trace context, of the W3C's own examples. */
export const TRACE = Object.freeze({
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
});

/** Milliseconds in a second: leases over HTTP are whole seconds. */
export const SECOND_MS = 1_000;

/** Microseconds in a second. */
export const SECOND_US = 1_000_000;

/** A lease that ends in no case that does not turn the clock far. */
export const LONG_MS = 3_600 * SECOND_MS;

/** A millisecond's share of one microsecond: the smallest step of time. */
export const ONE_US_IN_MS = 0.001;

/** A lease of up to 1000 tasks for an hour, unless said otherwise. */
export function leaseRequest(request: Partial<LeaseRequest> = {}): LeaseRequest {
  return { maxTasks: 1000, leaseMs: LONG_MS, ...request };
}

/** Settings of an ordinary queue, but for these. */
export function queueSettings(settings: Partial<QueueSettings> = {}): QueueSettings {
  return { ...DEFAULT_QUEUE_SETTINGS, ...settings };
}

/** The bytes of a text. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Inserts one task, with a short payload unless one is given, and returns it. */
export async function insertOne(
  store: QueueStore,
  task: Partial<NewTask> = {},
  queue: QueueKey = QUEUE,
): Promise<Task> {
  return soleValue(await store.insert(queue, [{ payload: textBytes("payload"), ...task }]));
}

/** Inserts tasks in one batch and returns them. */
export async function insertAll(
  store: QueueStore,
  tasks: readonly Partial<NewTask>[],
  queue: QueueKey = QUEUE,
): Promise<readonly Task[]> {
  return values(
    await store.insert(
      queue,
      tasks.map((task) => ({ payload: textBytes("payload"), ...task })),
    ),
  );
}

/** Leases from the usual queue. */
export function lease(
  store: QueueStore,
  request: Partial<LeaseRequest> = {},
): Promise<readonly TaskWithPayload[]> {
  return store.lease([QUEUE], leaseRequest(request));
}

/** Leases the one task that must be available. */
export async function leaseOne(
  store: QueueStore,
  request: Partial<LeaseRequest> = {},
): Promise<TaskWithPayload> {
  return only(await lease(store, request));
}

/** One task by its id, or undefined. */
export async function look(
  store: QueueStore,
  id: string,
): Promise<(Task & { readonly payload?: Uint8Array }) | undefined> {
  return (await store.peek(QUEUE, { id })).tasks[0];
}

/** How many tasks a queue holds. */
export async function countTasks(store: QueueAdmin, queue: QueueKey = QUEUE): Promise<number | undefined> {
  return (await store.getQueue(queue, { stats: true })).stats?.totalTasks;
}

/** Leases all tasks of a queue that allows one lease, lets the leases end, and lets a lease drop them. Gives what was leased. */
export async function exhaustAll(
  { store, advance }: StoreUnderTest,
  queue: QueueKey = QUEUE,
): Promise<readonly TaskWithPayload[]> {
  const held = await store.lease([queue], leaseRequest({ leaseMs: SECOND_MS }));
  await advance(SECOND_MS);
  await store.lease([queue], leaseRequest());
  return held;
}

/** How far apart the tasks of `insertDue` become available, in microseconds. */
const STEP_US = 10_000;

/** Makes tasks that become available so many steps after each other, and lets all of them come. */
export async function insertDue(
  sut: StoreUnderTest,
  tasks: readonly (Partial<NewTask> & { readonly step: number })[],
): Promise<void> {
  // Future times in one frame: past ones would all mean now, and ties would depend on the clock.
  const startUs = sut.nowUs() + SECOND_US;
  const latest = Math.max(...tasks.map(({ step }) => step));
  await insertAll(
    sut.store,
    tasks.map(({ step, ...task }) => ({ ...task, etaUs: startUs + step * STEP_US })),
  );
  await sut.advance(SECOND_MS + ((latest + 1) * STEP_US) / 1_000);
}
