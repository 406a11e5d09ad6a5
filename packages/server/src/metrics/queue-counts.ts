import type { QueueKey } from "@pullqueue/core";
import { Counter, type Registry } from "prom-client";
import type { QueueLabels, QueueNames } from "./queue-names.js";

/** What happens to tasks, each with its counter; several may share one and differ in `reason`. */
const EVENTS = {
  inserted: { name: "pullqueue_tasks_inserted_total", help: "Tasks inserted." },
  leased: { name: "pullqueue_tasks_leased_total", help: "Leases given, one for each task." },
  extended: { name: "pullqueue_leases_extended_total", help: "Leases that were given a new end." },
  released: { name: "pullqueue_tasks_released_total", help: "Leases given back before their end." },
  expired: {
    name: "pullqueue_leases_expired_total",
    help: "Leases that had ended by themselves when their task was leased again.",
  },
  lost: {
    name: "pullqueue_leases_lost_total",
    help: "Renewals, releases and deletes that were refused because the lease had ended or was another's.",
  },
  deleted: { name: "pullqueue_tasks_deleted_total", help: "Tasks deleted, one by one or in batches." },
  purged: { name: "pullqueue_tasks_purged_total", help: "Tasks removed by purging their queue." },
  redriven: {
    name: "pullqueue_tasks_redriven_total",
    help: "Tasks moved out of this dead-letter queue, back to where they came from.",
  },
  deadAtRetryLimit: {
    name: "pullqueue_tasks_dead_lettered_total",
    help: "Tasks moved out of this queue into its dead-letter queue, by reason: retry_limit or retention.",
    reason: "retry_limit",
  },
  deadByRetention: { name: "pullqueue_tasks_dead_lettered_total", reason: "retention" },
  droppedAtRetryLimit: {
    name: "pullqueue_tasks_dropped_total",
    help: "Tasks lost for want of a dead-letter queue, by reason: retry_limit or retention.",
    reason: "retry_limit",
  },
  droppedByRetention: { name: "pullqueue_tasks_dropped_total", reason: "retention" },
} as const satisfies Record<
  string,
  { readonly name: string; readonly help?: string; readonly reason?: string }
>;

/** Something that happens to tasks of a queue. */
export type QueueEvent = keyof typeof EVENTS;

type Counts = { [Event in QueueEvent]: number };

const NAMES = Object.keys(EVENTS) as readonly QueueEvent[];

/**
 * Counters of what happens to tasks, by queue. They are plain numbers on the way of a request and become series when
 * somebody looks.
 */
export class QueueCounts {
  readonly #names: QueueNames;
  readonly #counts = new Map<QueueLabels, Counts>();

  constructor(registry: Registry, names: QueueNames) {
    this.#names = names;
    for (const name of new Set(NAMES.map((event) => EVENTS[event].name))) this.#expose(registry, name);
  }

  /** Counts an event of so many tasks. The queue must exist: its name is shown. */
  add(queue: QueueKey, event: QueueEvent, tasks: number): void {
    if (tasks === 0) return;
    const labels = this.#names.labelsOf(queue);
    let counts = this.#counts.get(labels);
    if (counts === undefined) {
      counts = Object.fromEntries(NAMES.map((name) => [name, 0])) as Counts;
      this.#counts.set(labels, counts);
    }
    counts[event] += tasks;
  }

  /** Forgets queues that are gone. */
  forget(gone: readonly QueueLabels[]): void {
    for (const labels of gone) this.#counts.delete(labels);
  }

  #expose(registry: Registry, name: string): void {
    const events = NAMES.filter((event) => EVENTS[event].name === name);
    const [first] = events.map((event) => EVENTS[event]).filter((event) => "help" in event);
    const reasons = events.map((event) => (EVENTS[event] as { readonly reason?: string }).reason);
    const labelNames = reasons[0] === undefined ? ["project", "queue"] : ["project", "queue", "reason"];
    const counts = this.#counts;
    new Counter({
      name,
      help: first!.help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, counted] of counts) {
          for (const [index, event] of events.entries()) {
            const reason = reasons[index];
            this.inc(reason === undefined ? { ...labels } : { ...labels, reason }, counted[event]);
          }
        }
      },
    });
  }
}
