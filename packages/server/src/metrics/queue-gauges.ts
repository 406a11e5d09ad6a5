import type { Clock, QueueAdmin, QueueInfo } from "@pullqueue/core";
import { Counter, Gauge, type Registry } from "prom-client";
import {
  QUEUE_GAUGES_AGE_MS_MIN,
  QUEUE_GAUGES_CHUNK,
  QUEUE_GAUGES_REST_FACTOR,
  QUEUE_GAUGES_WAIT_MS,
} from "../limits.js";
import type { QueueLabels, QueueNames } from "./queue-names.js";

/** What is in a queue, or in several taken together. */
interface Contents {
  queues: number;
  paused: number;
  available: number;
  delayed: number;
  leased: number;
  payloadBytes: number;
  oldestAgeUs: number;
}

/** What a `QueueGauges` needs. */
export interface QueueGaugesOptions {
  readonly registry: Registry;
  readonly names: QueueNames;
  readonly store: Pick<QueueAdmin, "listQueues" | "listProjects">;
  readonly clock: Clock;
  /** Told which queues are gone. */
  readonly onGone: (gone: readonly QueueLabels[]) => void;
}

/**
 * Gauges of what is in the queues. Counting may take a store a while, so no scrape counts by itself: one that finds the
 * counts old has them taken anew, waits a moment for that, and shows what there is; a gauge tells its age.
 */
export class QueueGauges {
  readonly #options: QueueGaugesOptions;
  readonly #failures: Counter;
  readonly #closing = new AbortController();
  #contents: ReadonlyMap<QueueLabels, Contents> = new Map();
  #takenAtUs: number | undefined;
  #nextUs = 0;
  #counting: Promise<void> | undefined;

  constructor(options: QueueGaugesOptions) {
    this.#options = options;
    const registers = [options.registry];
    this.#expose();
    this.#failures = new Counter({
      name: "pullqueue_queue_counts_failures_total",
      help: "How often counting what is in the queues failed; the old counts are shown then.",
      registers,
    });
    const ageSeconds = () => this.#ageSeconds();
    new Gauge({
      name: "pullqueue_queue_counts_age_seconds",
      help: "How old the counts of what is in the queues are; NaN before the first.",
      registers,
      collect() {
        this.set(ageSeconds());
      },
    });
  }

  /** Resolves when the counts are fresh enough, or after a moment. Never rejects. */
  async refresh(): Promise<void> {
    const { clock } = this.#options;
    if (this.#closing.signal.aborted || clock.nowUs() < this.#nextUs) return;
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    let cancel = () => {};
    const moment = new Promise<void>((resolve) => {
      cancel = clock.timer(QUEUE_GAUGES_WAIT_MS, resolve);
    });
    await Promise.race([this.#counting, moment]);
    cancel();
  }

  /** Ends the counting. Idempotent; resolves when nobody asks the store any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#counting;
  }

  async #count(): Promise<void> {
    const { clock } = this.#options;
    const startUs = clock.nowUs();
    try {
      await this.#take();
      this.#takenAtUs = clock.nowUs();
    } catch {
      // The store is away, or we are closing: the counts stay and say how old they are.
      if (!this.#closing.signal.aborted) this.#failures.inc();
    }
    const endUs = clock.nowUs();
    const restUs = QUEUE_GAUGES_REST_FACTOR * (endUs - startUs);
    this.#nextUs = endUs + Math.max(restUs, QUEUE_GAUGES_AGE_MS_MIN * 1000);
  }

  async #take(): Promise<void> {
    const { store, names, clock, onGone } = this.#options;
    const since = names.moment();
    const contents = new Map<QueueLabels, Contents>();
    for await (const info of queuesOf(store, this.#closing.signal)) {
      const labels = names.labelsOf(info.key);
      const sum = contents.get(labels) ?? emptyContents();
      contents.set(labels, sum);
      addTo(sum, info, clock.nowUs());
    }
    // The failure of a project would look like queues that are gone: it has thrown before.
    onGone(names.retain(new Set(contents.keys()), since));
    this.#contents = contents;
  }

  #ageSeconds(): number {
    return this.#takenAtUs === undefined
      ? Number.NaN
      : (this.#options.clock.nowUs() - this.#takenAtUs) / 1_000_000;
  }

  #expose(): void {
    const gauge = (
      name: string,
      help: string,
      valuesOf: (contents: Contents) => readonly (readonly [state: string | undefined, value: number])[],
    ) => {
      const all = () => this.#contents;
      new Gauge({
        name,
        help,
        labelNames: [
          "project",
          "queue",
          ...(valuesOf(emptyContents())[0]?.[0] === undefined ? [] : ["state"]),
        ],
        registers: [this.#options.registry],
        collect() {
          this.reset();
          for (const [labels, contents] of all()) {
            for (const [state, value] of valuesOf(contents)) {
              this.set(state === undefined ? { ...labels } : { ...labels, state }, value);
            }
          }
        },
      });
    };
    gauge("pullqueue_queues", "Queues: 1 for each, and how many there are under _others.", ({ queues }) => [
      [undefined, queues],
    ]);
    gauge(
      "pullqueue_queue_tasks",
      "Tasks in the queue, by state: available, delayed, leased.",
      ({ available, delayed, leased }) => [
        ["available", available],
        ["delayed", delayed],
        ["leased", leased],
      ],
    );
    gauge(
      "pullqueue_queue_oldest_task_age_seconds",
      "How long the longest available task has been available; 0 when there is none.",
      ({ oldestAgeUs }) => [[undefined, oldestAgeUs / 1_000_000]],
    );
    gauge(
      "pullqueue_queue_payload_bytes",
      "Bytes of the payloads of all tasks in the queue.",
      ({ payloadBytes }) => [[undefined, payloadBytes]],
    );
    gauge(
      "pullqueue_queue_paused",
      "1 while the queue is paused; under _others how many are.",
      ({ paused }) => [[undefined, paused]],
    );
  }
}

/** All queues with their counts, a few at a time. */
async function* queuesOf(
  store: QueueGaugesOptions["store"],
  signal: AbortSignal,
): AsyncGenerator<QueueInfo, void> {
  for (const project of (await store.listProjects?.({ signal })) ?? []) {
    let pageToken: string | undefined;
    do {
      const page = await store.listQueues(project, {
        limit: QUEUE_GAUGES_CHUNK,
        stats: true,
        signal,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      yield* page.queues;
      pageToken = page.nextPageToken;
      // A store in this process counts without a pause: whoever waits for it goes first.
      await new Promise((resolve) => setImmediate(resolve));
    } while (pageToken !== undefined);
  }
}

function emptyContents(): Contents {
  return { queues: 0, paused: 0, available: 0, delayed: 0, leased: 0, payloadBytes: 0, oldestAgeUs: 0 };
}

function addTo(sum: Contents, { paused, stats }: QueueInfo, nowUs: number): void {
  sum.queues += 1;
  if (paused) sum.paused += 1;
  if (stats === undefined) return;
  const { totalTasks, availableTasks, leasedTasks, payloadBytes, oldestEtaUs = nowUs } = stats;
  sum.available += availableTasks;
  sum.leased += leasedTasks;
  sum.delayed += totalTasks - availableTasks - leasedTasks;
  sum.payloadBytes += payloadBytes;
  sum.oldestAgeUs = Math.max(sum.oldestAgeUs, nowUs - oldestEtaUs);
}
