import type { StoreObserver } from "@pullqueue/core";
import { Gauge, type Registry } from "prom-client";
import { BATCH_BUCKETS, DURATION_BUCKETS } from "../limits.js";
import type { QueueCounts } from "./queue-counts.js";
import { TallyHistogram } from "./tally-histogram.js";

/** Makes the observer that counts what a store tells: what it did by itself, its commits and its connections. */
export function storeMetrics(registry: Registry, counts: QueueCounts): StoreObserver {
  return { ...taskObserver(counts), ...commitObserver(registry), ...poolObserver(registry) };
}

function taskObserver(counts: QueueCounts): StoreObserver {
  return {
    onExhausted: ({ queue }) => counts.add(queue, "droppedAtRetryLimit", 1),
    onExpired: ({ queue }) => counts.add(queue, "droppedByRetention", 1),
    onDeadLettered({ queue: { project }, deadLetter }) {
      if (deadLetter === undefined) return;
      const event = deadLetter.reason === "retention" ? "deadByRetention" : "deadAtRetryLimit";
      counts.add({ project, queue: deadLetter.queue }, event, 1);
    },
    onLeased: (queue, { expiredLeases }) => counts.add(queue, "expired", expiredLeases),
  };
}

function commitObserver(registry: Registry): StoreObserver {
  const calls = new TallyHistogram(registry, {
    name: "pullqueue_commit_calls",
    help: "Calls that shared one commit (SQLite, PostgreSQL).",
    label: undefined,
    bounds: BATCH_BUCKETS,
  });
  const durations = new TallyHistogram(registry, {
    name: "pullqueue_commit_duration_seconds",
    help: "How long a transaction took, its commit to disk included (SQLite, PostgreSQL).",
    label: undefined,
    bounds: DURATION_BUCKETS,
  });
  return {
    onCommit(commit) {
      calls.observe("", commit.calls);
      durations.observe("", commit.durationMs / 1000);
    },
  };
}

function poolObserver(registry: Registry): StoreObserver {
  let pool: { readonly total: number; readonly idle: number; readonly waiting: number } | undefined;
  new Gauge({
    name: "pullqueue_database_connections",
    help: "Connections to PostgreSQL, by state: idle or busy.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      if (pool === undefined) return;
      this.set({ state: "idle" }, pool.idle);
      this.set({ state: "busy" }, pool.total - pool.idle);
    },
  });
  new Gauge({
    name: "pullqueue_database_connection_waiters",
    help: "Calls that wait for a connection to PostgreSQL.",
    registers: [registry],
    collect() {
      if (pool !== undefined) this.set(pool.waiting);
    },
  });
  return {
    onPool(now) {
      pool = now;
    },
  };
}

/** One observer that tells several, of everything: what is left out here does not compile. */
export function joinObservers(...observers: readonly StoreObserver[]): Required<StoreObserver> {
  const each = (tell: (observer: StoreObserver) => void) => {
    for (const observer of observers) tell(observer);
  };
  return {
    onExhausted: (task) => each((observer) => observer.onExhausted?.(task)),
    onExpired: (task) => each((observer) => observer.onExpired?.(task)),
    onDeadLettered: (task) => each((observer) => observer.onDeadLettered?.(task)),
    onLeased: (queue, leased) => each((observer) => observer.onLeased?.(queue, leased)),
    onCommit: (commit) => each((observer) => observer.onCommit?.(commit)),
    onWarning: (warning) => each((observer) => observer.onWarning?.(warning)),
    onPool: (pool) => each((observer) => observer.onPool?.(pool)),
  };
}
