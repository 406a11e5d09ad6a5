import {
  encodePayload,
  type ItemResult,
  isQueueError,
  type QueueKey,
  type QueueStore,
  systemClock,
  type TaskWithPayload,
} from "@pullqueue/core";
import { type HeldLease, type Ledger, payloadFor } from "../crash/ledger.js";
import type { Prng } from "../prng.js";
import type { RestTask } from "../rest-client.js";
import type { Progress } from "./progress.js";

/** More tasks than this and clients rather take away than add. */
const TASKS_MAX = 250;

/** Most tasks of one call. */
const BATCH_MAX = 8;

/** Largest payload without its key, in bytes. */
const NOISE_BYTES_MAX = 500;

/** Lengths of leases, in milliseconds: some end while others go on, some outlive a restart of everything. */
const LEASES_MS = [1_000, 2_000, 6_000];

/** How long leases wait for a task, in milliseconds: some do not. */
const WAITS_MS = [0, 0, 500, 5_000];

/** How much longer than the longest lease an empty queue is watched at the end, in milliseconds: a poll, and the way. */
const DRAIN_MARGIN_MS = 2_000;

/** What tells a client that somebody else is away, and not that it has done something wrong. */
const PASSING = new Set(["unavailable", "timeout"]);

/** What clients of one test share. */
export interface TaskClientContext {
  readonly queue: QueueKey;
  readonly ledger: Ledger;
  readonly progress: Progress;
  /** Told about each call that failed because a server or a database was away. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * One client of the cluster test: a loop of calls on a store over HTTP, each chosen by chance. Calls may fail; the loop
 * and its connection go on, as those of a program that nobody looks after.
 */
export class TaskClient {
  readonly #name: string;
  readonly #store: QueueStore;
  readonly #chance: Prng;
  readonly #context: TaskClientContext;
  readonly #clock = systemClock();
  #held: HeldLease[] = [];
  #inserts = 0;

  constructor(name: string, store: QueueStore, chance: Prng, context: TaskClientContext) {
    this.#name = name;
    this.#store = store;
    this.#chance = chance;
    this.#context = context;
  }

  /** Works until the signal. Rejects when a call fails for another reason than that somebody is away. */
  async run(signal: AbortSignal): Promise<void> {
    const taking = [
      this.#lease,
      this.#lease,
      this.#lease,
      this.#renew,
      this.#release,
      this.#delete,
      this.#delete,
    ];
    const adding = [this.#insert, this.#insert, this.#insert];
    const { ledger, progress, onFailure } = this.#context;
    while (!signal.aborted) {
      const operation = this.#chance.pick(ledger.size < TASKS_MAX ? [...taking, ...adding] : taking);
      try {
        await operation.call(this, signal);
        progress.answered();
      } catch (error) {
        if (signal.aborted) return;
        if (!isQueueError(error) || !PASSING.has(error.code)) throw error;
        onFailure(error);
      }
    }
  }

  async #insert(): Promise<void> {
    const { ledger, queue } = this.#context;
    const tasks = Array.from({ length: this.#chance.integer(1, BATCH_MAX) }, () => {
      const key = `${this.#name}-${++this.#inserts}`;
      const payload = payloadFor(key, this.#chance.bytes(this.#chance.integer(0, NOISE_BYTES_MAX)));
      ledger.inserting(key, encodePayload(payload));
      return { key, payload };
    });
    const results = await this.#store.insert(queue, tasks);
    for (const [index, { key }] of tasks.entries()) ledger.inserted(key, unwrap(results[index]!).id);
  }

  async #lease(signal: AbortSignal): Promise<void> {
    const { ledger, queue } = this.#context;
    const leaseMs = this.#chance.pick(LEASES_MS);
    const request = {
      maxTasks: this.#chance.integer(1, BATCH_MAX),
      leaseMs,
      waitMs: this.#chance.pick(WAITS_MS),
    };
    const askedAt = ledger.now();
    const tasks = await this.#store.lease([queue], request, { signal });
    this.#held.push(...ledger.leased(tasks.map(asRestTask), leaseMs * 1000, askedAt));
  }

  /** Always to the longest length, so that a lost answer cannot have shortened the lease. */
  async #renew(): Promise<void> {
    const { ledger, queue } = this.#context;
    const leases = this.#takeHeld();
    if (leases.length === 0) return;
    const leaseMs = Math.max(...LEASES_MS);
    const results = await this.#store.extend(
      queue,
      leases.map(({ id, retryCount }) => ({ id, retryCount, leaseMs })),
    );
    for (const [index, lease] of leases.entries()) {
      const result = results[index]!;
      if (result.ok) this.#held.push(ledger.renewed(lease, result.value.etaUs));
      else this.#failed(lease, result.error);
    }
  }

  async #release(): Promise<void> {
    const { ledger, queue } = this.#context;
    const leases = this.#takeHeld();
    if (leases.length === 0) return;
    for (const lease of leases) ledger.releasing(lease);
    const results = await this.#store.extend(
      queue,
      leases.map(({ id, retryCount }) => ({ id, retryCount, leaseMs: 0, uncounted: true })),
    );
    for (const [index, lease] of leases.entries()) {
      const result = results[index]!;
      if (!result.ok) this.#failed(lease, result.error);
    }
  }

  async #delete(): Promise<void> {
    const { ledger, queue } = this.#context;
    const leases = this.#takeHeld();
    if (leases.length === 0) return;
    for (const { id } of leases) ledger.deleting(id);
    const results = await this.#store.delete(
      queue,
      leases.map(({ id, retryCount }) => ({ id, retryCount })),
    );
    for (const [index, lease] of leases.entries()) {
      const result = results[index]!;
      if (result.ok) ledger.deleted(lease.id);
      else this.#failed(lease, result.error);
    }
  }

  /** Takes some of the leases that are still live; they are not held any more, whatever comes of it. */
  #takeHeld(): HeldLease[] {
    const nowUs = this.#clock.nowUs();
    this.#held = this.#held.filter(({ endUs }) => endUs > nowUs);
    return this.#held.splice(0, this.#chance.integer(1, BATCH_MAX));
  }

  /** Part of a batch may fail because somebody is away; anything else is a refusal. */
  #failed(lease: HeldLease, error: unknown): void {
    if (isQueueError(error) && PASSING.has(error.code)) this.#context.onFailure(error);
    else this.#context.ledger.refused(lease, String(error), this.#clock.nowUs());
  }
}

/** Leases and deletes until nothing is there any more, for as long as a lease of a client that has gone may last. */
export async function drainTasks(
  store: QueueStore,
  { queue, ledger }: Pick<TaskClientContext, "queue" | "ledger">,
): Promise<void> {
  const leaseMs = Math.max(...LEASES_MS);
  for (;;) {
    const askedAt = ledger.now();
    const request = { maxTasks: 1000, leaseMs, waitMs: leaseMs + DRAIN_MARGIN_MS };
    const tasks = await store.lease([queue], request);
    if (tasks.length === 0) return;
    for (const { id } of ledger.leased(tasks.map(asRestTask), leaseMs * 1000, askedAt)) ledger.deleting(id);
    const results = await store.delete(
      queue,
      tasks.map(({ id, retryCount }) => ({ id, retryCount })),
    );
    for (const [index, { id }] of tasks.entries()) {
      unwrap(results[index]!);
      ledger.deleted(id);
    }
  }
}

/** As the ledger knows tasks. */
function asRestTask({ id, payload, etaUs, retryCount }: TaskWithPayload): RestTask {
  return {
    id,
    payloadBase64: encodePayload(payload),
    leaseTimestamp: String(etaUs),
    retry_count: retryCount,
  };
}

function unwrap<T>(result: ItemResult<T>): T {
  if (result.ok) return result.value;
  throw result.error;
}
