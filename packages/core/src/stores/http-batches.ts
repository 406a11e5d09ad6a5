import { Coalescer } from "../coalesce.js";
import { isQueueError, QueueError } from "../errors.js";
import { newIdempotencyKey } from "../ids.js";
import { CLIENT_BATCHES_IN_FLIGHT } from "../limits.js";
import type { RouteName } from "../routes.js";
import type { ItemResult, LeaseExtension, LeaseFence, NewTask, QueueKey, Task } from "../task.js";
import { bareTaskFromWire, extensionToWire, itemResultFromWire } from "../wire.js";
import { readObject } from "../wire-read.js";
import { asciiJson, BatchBody, writeFence, writeNewTask } from "./http-batch-text.js";
import { type HttpCalls, queuePath } from "./http-calls.js";
import type { ServerFeatures } from "./http-discovery.js";
import { itemsOf, withoutPayload } from "./http-lease.js";
import { findTask } from "./http-queues.js";

/** Errors of a whole batch for which one of its calls may be to blame: sent alone, the others may pass. */
const BLAMING = new Set(["too_large", "resource_exhausted", "invalid_argument"]);

/** A batch method: how an item is sent, and what its outcome means. */
interface BatchMethod<I, T> {
  readonly route: RouteName;
  /** Writes an item as JSON; `name` is that of its queue, as JSON. */
  readonly write: (item: I, name: string, body: BatchBody) => void;
  readonly read: (json: unknown, queue: QueueKey) => T;
  readonly weigh: (item: I) => number;
  /** Reads an item's refusal again when an earlier attempt may have done what was asked. */
  readonly reconsider?: (item: I, error: QueueError, queue: QueueKey) => Promise<ItemResult<T>>;
}

/** What a coalescer is for. */
interface Line {
  readonly method: BatchMethod<unknown, unknown>;
  readonly project: string;
  readonly name: string;
  readonly coalescer: Coalescer<unknown, ItemResult<unknown>>;
}

/** The batch methods of our own server, each call of which is shared by whoever asks at the same time. */
export class HttpBatches {
  readonly #calls: HttpCalls;
  readonly #features: ServerFeatures;
  /** By method, project and queue; only those in use. */
  readonly #coalescers = new Map<string, Coalescer<unknown, ItemResult<unknown>>>();
  /** The one that was asked for last, which is the usual one: a key for each message would cost more than the look. */
  #last: Line | undefined;

  constructor(calls: HttpCalls, features: ServerFeatures) {
    this.#calls = calls;
    this.#features = features;
  }

  insert(queue: QueueKey, tasks: readonly NewTask[], signal?: AbortSignal) {
    // With a key of its own each task may be sent twice.
    const keyed = tasks.every(({ idempotencyKey }) => idempotencyKey !== undefined)
      ? tasks
      : tasks.map((task) => ({ ...task, idempotencyKey: task.idempotencyKey ?? newIdempotencyKey() }));
    return this.#inBatches(INSERT, queue, keyed, signal);
  }

  extend(queue: QueueKey, leases: readonly LeaseExtension[], signal?: AbortSignal) {
    return this.#inBatches(this.#update, queue, leases, signal);
  }

  delete(queue: QueueKey, targets: readonly LeaseFence[], signal?: AbortSignal) {
    return this.#inBatches(DELETE, queue, targets, signal);
  }

  #inBatches<I, T>(
    method: BatchMethod<I, T>,
    queue: QueueKey,
    items: readonly I[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<T>[]> {
    // Nearly every call is one task, for which lists of chunks would cost more than the rest.
    if (items.length === 1) return this.#coalescer(method, queue).add(items, signal);
    return this.#inChunks(method, queue, items, signal);
  }

  async #inChunks<I, T>(
    method: BatchMethod<I, T>,
    queue: QueueKey,
    items: readonly I[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<T>[]> {
    const results: ItemResult<T>[] = [];
    for (const chunk of this.#chunksOf(method, items)) {
      try {
        results.push(...(await this.#coalescer(method, queue).add(chunk, signal)));
      } catch (error) {
        // The chunks before this one are done, and their results must not be lost with it.
        if (results.length === 0 || !isQueueError(error)) throw error;
        results.push(...items.slice(results.length).map(() => ({ ok: false, error }) as const));
        break;
      }
    }
    return results;
  }

  /** One after the other, so that tasks inserted together keep their order. */
  #chunksOf<I, T>({ weigh }: BatchMethod<I, T>, items: readonly I[]): readonly (readonly I[])[] {
    const { batchItemsMax, batchPayloadBytesMax } = this.#features;
    const chunks: I[][] = [];
    let weight = 0;
    for (const item of items) {
      const current = chunks.at(-1);
      weight += weigh(item);
      if (current !== undefined && current.length < batchItemsMax && weight <= batchPayloadBytesMax) {
        current.push(item);
      } else {
        chunks.push([item]);
        weight = weigh(item);
      }
    }
    return chunks;
  }

  #coalescer<I, T>(method: BatchMethod<I, T>, queue: QueueKey): Coalescer<I, ItemResult<T>> {
    const { project, queue: name } = queue;
    const last = this.#last;
    if (last?.method === method && last.name === name && last.project === project) {
      return last.coalescer as unknown as Coalescer<I, ItemResult<T>>;
    }
    const key = `${method.route} ${project}/${name}`;
    // A key stands for one method, so that what is read under it has the types it was written with.
    const existing = this.#coalescers.get(key) as unknown as Coalescer<I, ItemResult<T>> | undefined;
    const coalescer = existing ?? this.#newCoalescer(method, queue, key);
    this.#last = { method, project, name, coalescer } as unknown as Line;
    return coalescer;
  }

  #newCoalescer<I, T>(method: BatchMethod<I, T>, queue: QueueKey, key: string): Coalescer<I, ItemResult<T>> {
    const coalescer = new Coalescer<I, ItemResult<T>>({
      send: (items, signal) => this.#sendBatch(method, queue, items, signal),
      batchesInFlightMax: CLIENT_BATCHES_IN_FLIGHT,
      itemsMax: this.#features.batchItemsMax,
      weightMax: this.#features.batchPayloadBytesMax,
      weigh: (items) => items.reduce((sum, item) => sum + method.weigh(item), 0),
      blamesOneCall: (error) => isQueueError(error) && BLAMING.has(error.code),
      onIdle: () => {
        this.#coalescers.delete(key);
        this.#last = undefined;
      },
    });
    this.#coalescers.set(key, coalescer as unknown as Coalescer<unknown, ItemResult<unknown>>);
    return coalescer;
  }

  async #sendBatch<I, T>(
    method: BatchMethod<I, T>,
    queue: QueueKey,
    items: readonly I[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<T>[]> {
    const name = asciiJson(queue.queue);
    const body = new BatchBody();
    body.add('{"items":[');
    items.forEach((item, index) => {
      if (index > 0) body.add(",");
      method.write(item, name, body);
    });
    body.add("]}");
    const outcome = await this.#calls.outcome({
      route: method.route,
      path: queuePath(queue),
      body: body.bytes,
      read: (json) => readResults(json, items.length, (task) => method.read(task, queue)),
      repeat: "harmless",
      signal,
    });
    if (!outcome.ok) throw outcome.error;
    // An earlier attempt may still be on its way, also one that was refused before all of it was read.
    if (outcome.isRepeated !== true) body.free();
    const { reconsider } = method;
    if (!outcome.unclear || reconsider === undefined) return outcome.value;
    return Promise.all(
      outcome.value.map(async (result, index) =>
        result.ok ? result : reconsider(items[index]!, result.error, queue),
      ),
    );
  }

  readonly #update: BatchMethod<LeaseExtension, Task> = {
    route: "tasks.batchUpdate",
    write: (extension, _, body) => body.add(asciiJson(extensionToWire(extension))),
    read: bareTaskFromWire,
    weigh: () => 0,
    // A release that was done before finds the lease gone: then the task is free, and nobody has leased it since.
    reconsider: async (item, error, queue) => {
      if (error.code !== "lease_lost" || item.leaseMs > 0 || item.retryCount === undefined) {
        return { ok: false, error };
      }
      const task = await findTask(this.#calls, queue, item.id).catch(nothingKnown);
      return task?.retryCount === item.retryCount
        ? { ok: true, value: withoutPayload(task) }
        : { ok: false, error };
    },
  };
}

/** For `catch`: when a look fails too, the refusal stands, and its neighbours keep their results. */
function nothingKnown(error: unknown): undefined {
  if (!isQueueError(error)) throw error;
}

const INSERT: BatchMethod<NewTask, Task> = {
  route: "tasks.batchInsert",
  write: writeNewTask,
  read: bareTaskFromWire,
  weigh: (task) => task.payload.byteLength,
};

const DELETE: BatchMethod<LeaseFence, undefined> = {
  route: "tasks.batchDelete",
  write: writeFence,
  read: () => undefined,
  weigh: () => 0,
  reconsider: async (_, error) =>
    error.code === "not_found" ? { ok: true, value: undefined } : { ok: false, error },
};

function readResults<T>(json: unknown, count: number, read: (task: unknown) => T): readonly ItemResult<T>[] {
  const items = itemsOf(readObject(json, "answer"));
  if (items.length === count) return items.map((item) => itemResultFromWire(item, read));
  throw new QueueError("internal", `the server answered ${count} items with ${items.length} results`);
}
