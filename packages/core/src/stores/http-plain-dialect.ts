import { pause } from "../abortable.js";
import { isQueueError } from "../errors.js";
import { CLIENT_LEASE_PATIENCE_MS, LIST_TASKS_MAX } from "../limits.js";
import type { ExactLease } from "../naive-store.js";
import { tasksByQueue } from "../releases.js";
import type { LeaseExtension, LeaseFence, NewTask, QueueKey, TaskWithPayload } from "../task.js";
import { type HttpCalls, queuePath } from "./http-calls.js";
import type { HttpDialect, PageRequest } from "./http-dialect.js";
import { leaseOrGiveBack, leaseQuery, quietly, tasksFromWire } from "./http-lease.js";
import type { HttpStoreSettings } from "./http-options.js";
import { PLAIN_MANIFEST, PlainTasks } from "./http-plain.js";

/** Speaks with a server that has v1beta2 and nothing else: one call for each task, and waiting by asking again. */
export class PlainDialect implements HttpDialect {
  readonly manifest = PLAIN_MANIFEST;
  readonly #calls: HttpCalls;
  readonly #settings: HttpStoreSettings;
  readonly #tasks: PlainTasks;
  /** Which queue is asked first: each in turn, so that a full one does not starve its neighbours. */
  #turn = 0;

  constructor(calls: HttpCalls, settings: HttpStoreSettings) {
    this.#calls = calls;
    this.#settings = settings;
    this.#tasks = new PlainTasks(calls);
  }

  insert(queue: QueueKey, tasks: readonly NewTask[], signal: AbortSignal | undefined) {
    return this.#tasks.insert(queue, tasks, signal);
  }

  extend(queue: QueueKey, leases: readonly LeaseExtension[], signal: AbortSignal | undefined) {
    return this.#tasks.extend(queue, leases, signal);
  }

  delete(queue: QueueKey, targets: readonly LeaseFence[], signal: AbortSignal | undefined) {
    return this.#tasks.delete(queue, targets, signal);
  }

  list(queue: QueueKey, page: PageRequest, signal: AbortSignal | undefined) {
    return this.#tasks.list(queue, page, signal);
  }

  async lease(
    queues: readonly QueueKey[],
    request: ExactLease,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const tasks = await this.#poll(waitMs, signal, async (leftMs) => {
      const patienceMs = leftMs + CLIENT_LEASE_PATIENCE_MS;
      const found = await this.#leaseInTurn(queues, request, patienceMs, signal);
      return found.length > 0 ? found : undefined;
    });
    return tasks ?? [];
  }

  async wait(queues: readonly QueueKey[], waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const available = await this.#poll(waitMs, signal, async () => {
      for (const queue of queues) if (await this.#anyAvailable(queue, signal)) return true;
      return undefined;
    });
    return available ?? false;
  }

  /** Looks, and looks again after each interval and once more at the end, until something is found. */
  async #poll<T>(
    waitMs: number,
    signal: AbortSignal | undefined,
    look: (leftMs: number) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const { clock, pollingIntervalMs } = this.#settings;
    const untilUs = clock.nowUs() + waitMs * 1000;
    for (let leftMs = waitMs; ; ) {
      const found = await look(leftMs);
      leftMs = (untilUs - clock.nowUs()) / 1000;
      if (found !== undefined || leftMs <= 0) return found;
      await pause(clock, Math.min(pollingIntervalMs, leftMs), signal);
      signal?.throwIfAborted();
      leftMs = Math.max(0, (untilUs - clock.nowUs()) / 1000);
    }
  }

  /** Asks each queue once, for as many tasks as there is still room for. */
  async #leaseInTurn(
    queues: readonly QueueKey[],
    request: ExactLease,
    patienceMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const first = this.#turn++ % queues.length;
    const tasks: TaskWithPayload[] = [];
    for (const queue of [...queues.slice(first), ...queues.slice(0, first)]) {
      const rest = restOf(request, tasks);
      if (rest === undefined) break;
      try {
        tasks.push(...(await this.#leaseFrom(queue, rest, patienceMs, signal)));
      } catch (error) {
        if (signal?.aborted === true) await quietly(this.#giveBack(tasks));
        // What is already leased is worth more than the news that another queue cannot be had.
        if (signal?.aborted === true || tasks.length === 0 || !isQueueError(error)) throw error;
        break;
      }
    }
    return tasks;
  }

  #leaseFrom(
    queue: QueueKey,
    request: ExactLease,
    patienceMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const send = (cut: AbortSignal, lastAttempt: AbortSignal | undefined) =>
      this.#calls.value({
        route: "tasks.lease",
        path: queuePath(queue),
        query: leaseQuery(request),
        read: (json) => tasksFromWire(json, queue),
        // Repeating a lease whose answer was lost would hold twice as many tasks for nothing.
        repeat: "undone",
        patienceMs,
        signal: cut,
        lastAttempt,
      });
    return leaseOrGiveBack(
      { send, giveBack: (tasks) => this.#giveBack(tasks) },
      this.#settings.clock,
      signal,
    );
  }

  /** Such servers cannot be told that nobody worked on a task, so this lease counts. */
  async #giveBack(tasks: readonly TaskWithPayload[]): Promise<void> {
    for (const [queue, held] of tasksByQueue(tasks)) {
      const leases = held.map(({ id, retryCount, etaUs }) => ({
        id,
        retryCount,
        leaseEndUs: etaUs,
        leaseMs: 0,
      }));
      await this.#tasks.extend(queue, leases);
    }
  }

  async #anyAvailable(queue: QueueKey, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const { tasks } = await this.#tasks.list(queue, { limit: LIST_TASKS_MAX }, signal);
      return tasks.some((task) => task.etaUs <= this.#calls.serverClock.nowUs());
    } catch (error) {
      // A queue that is not there yet has nothing, and may come.
      if (isQueueError(error, "not_found")) return false;
      throw error;
    }
  }
}

/** What is still asked for; undefined when the lease is full, or nothing more would fit to the tag of its first task. */
function restOf(request: ExactLease, tasks: readonly TaskWithPayload[]): ExactLease | undefined {
  const maxTasks = request.maxTasks - tasks.length;
  const [first] = tasks;
  if (maxTasks <= 0) return undefined;
  if (first === undefined || !request.groupByTag) return { ...request, maxTasks };
  // The untagged cannot be asked for by name.
  return first.tag === undefined || first.tag === "" ? undefined : { ...request, maxTasks, tag: first.tag };
}
