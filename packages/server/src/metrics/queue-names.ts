import type { QueueKey } from "@pullqueue/core";
import { METRIC_QUEUES_MAX } from "../limits.js";

/** The labels of a queue's series. One object for each queue, so that it can be a key. */
export interface QueueLabels {
  readonly project: string;
  readonly queue: string;
}

/** Of all queues that have no series of their own. No project has an empty name. */
export const OTHER_QUEUES: QueueLabels = Object.freeze({ project: "", queue: "_others" });

/** Names given before and after a moment can be told apart by this. */
export type NamingMoment = number;

/**
 * Which queues have series of their own: the first `METRIC_QUEUES_MAX` that were seen and are still there. Anybody may make
 * queues, and a monitoring system that is shown them all is soon out of memory.
 */
export class QueueNames {
  readonly #projects = new Map<
    string,
    Map<string, { readonly labels: QueueLabels; readonly named: number }>
  >();
  readonly #namesMax: number;
  #size = 0;
  #moment = 0;

  constructor(namesMax = METRIC_QUEUES_MAX) {
    this.#namesMax = namesMax;
  }

  /** The queue's labels, which it gets now if there is room, or `OTHER_QUEUES`. Only for queues that exist. */
  labelsOf({ project, queue }: QueueKey): QueueLabels {
    const known = this.#projects.get(project)?.get(queue);
    if (known !== undefined) return known.labels;
    if (this.#size >= this.#namesMax) return OTHER_QUEUES;
    const names = this.#projects.get(project) ?? new Map();
    const labels = Object.freeze({ project, queue });
    names.set(queue, { labels, named: this.#moment });
    this.#projects.set(project, names);
    this.#size += 1;
    return labels;
  }

  /** Now, for `retain`. */
  moment(): NamingMoment {
    this.#moment += 1;
    return this.#moment;
  }

  /** Forgets queues that were named before the moment and are not among those seen since. Gives their labels. */
  retain(seen: ReadonlySet<QueueLabels>, since: NamingMoment): readonly QueueLabels[] {
    const gone: QueueLabels[] = [];
    for (const [project, names] of this.#projects) {
      for (const [queue, { labels, named }] of names) {
        if (seen.has(labels) || named >= since) continue;
        names.delete(queue);
        gone.push(labels);
      }
      if (names.size === 0) this.#projects.delete(project);
    }
    this.#size -= gone.length;
    return gone;
  }
}
