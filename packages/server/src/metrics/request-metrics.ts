import { Counter, Gauge, type Registry } from "prom-client";
import { BATCH_BUCKETS, DURATION_BUCKETS, WAIT_BUCKETS } from "../limits.js";
import type { RequestRecord } from "../request-record.js";
import { TallyHistogram } from "./tally-histogram.js";

/** What a call does with tasks. */
export type BatchOperation = "insert" | "lease" | "extend" | "delete";

/** Counts and times of requests. Paths never become labels: there are as many as callers think of. */
export class RequestMetrics {
  readonly #answers = new Map<string, Map<number, number>>();
  readonly #durations: TallyHistogram;
  readonly #waits: TallyHistogram;
  readonly #batches: TallyHistogram;
  #waiting = 0;

  constructor(registry: Registry) {
    this.#durations = new TallyHistogram(registry, {
      name: "pullqueue_request_duration_seconds",
      help: "How long requests took that do not wait on purpose.",
      label: "method",
      bounds: DURATION_BUCKETS,
    });
    this.#waits = new TallyHistogram(registry, {
      name: "pullqueue_waiting_request_duration_seconds",
      help: "How long requests took that were allowed to wait for tasks (waitMs).",
      label: "method",
      bounds: WAIT_BUCKETS,
    });
    this.#batches = new TallyHistogram(registry, {
      name: "pullqueue_call_tasks",
      help: "Tasks in one call, by operation: insert, lease, extend, delete. Leases that found nothing count as 0.",
      label: "operation",
      bounds: BATCH_BUCKETS,
    });
    this.#exposeAnswers(registry);
    this.#exposeWaiting(registry);
  }

  /** A request was answered. */
  answered({ route, waits }: RequestRecord, status: number, elapsedMs: number): void {
    const method = route ?? "none";
    this.#count(method, status);
    const durations = waits === true ? this.#waits : this.#durations;
    durations.observe(method, elapsedMs / 1000);
  }

  /** Something that was not a request was answered. */
  refused(status: number): void {
    this.#count("none", status);
  }

  /** A call was made on so many tasks. */
  called(operation: BatchOperation, tasks: number): void {
    this.#batches.observe(operation, tasks);
  }

  /** Runs a call that may wait for tasks. */
  async waiting<T>(call: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    try {
      return await call();
    } finally {
      this.#waiting -= 1;
    }
  }

  #count(method: string, status: number): void {
    let codes = this.#answers.get(method);
    if (codes === undefined) {
      codes = new Map();
      this.#answers.set(method, codes);
    }
    codes.set(status, (codes.get(status) ?? 0) + 1);
  }

  #exposeAnswers(registry: Registry): void {
    const answers = this.#answers;
    new Counter({
      name: "pullqueue_requests_total",
      help: "Requests answered, by method of the API and status. Method none: nothing that exists.",
      labelNames: ["method", "code"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [method, codes] of answers) {
          for (const [code, count] of codes) this.inc({ method, code }, count);
        }
      },
    });
  }

  #exposeWaiting(registry: Registry): void {
    const waiting = () => this.#waiting;
    new Gauge({
      name: "pullqueue_waiting_calls",
      help: "Leases and waits that are waiting for a task now.",
      registers: [registry],
      collect() {
        this.set(waiting());
      },
    });
  }
}
