import type { Clock, QueueAdmin, QueueStore, StoreObserver } from "@pullqueue/core";
import { Gauge, Registry } from "prom-client";
import { VERSION } from "../version.js";
import { measuredStore } from "./measured-store.js";
import { processMetrics } from "./process-metrics.js";
import { QueueCounts } from "./queue-counts.js";
import { QueueGauges } from "./queue-gauges.js";
import { QueueNames } from "./queue-names.js";
import { RequestMetrics } from "./request-metrics.js";
import { storeMetrics } from "./store-metrics.js";

/**
 * The metrics of one server. Made before its store is opened, because the store tells the observer what it does; `watch`
 * gets the store, and gives it back so that calls on it are counted.
 */
export class ServerMetrics {
  /** For the options of the store. */
  readonly observer: StoreObserver;
  readonly requests: RequestMetrics;
  readonly #registry = new Registry();
  readonly #names = new QueueNames();
  readonly #counts: QueueCounts;
  readonly #clock: Clock;
  #gauges: QueueGauges | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#counts = new QueueCounts(this.#registry, this.#names);
    this.requests = new RequestMetrics(this.#registry);
    this.observer = storeMetrics(this.#registry, this.#counts);
  }

  /** The same store; what is called on it is counted, and what is in it is shown. Call it once. */
  watch(store: QueueStore & QueueAdmin): QueueStore & QueueAdmin {
    const registers = [this.#registry];
    new Gauge({
      name: "pullqueue_build_info",
      help: "1, with the version of the server and of Node, and the kind of store.",
      labelNames: ["version", "node", "store"],
      registers,
    }).set({ version: VERSION, node: process.version, store: store.supports.name }, 1);
    this.#gauges = new QueueGauges({
      registry: this.#registry,
      names: this.#names,
      store,
      clock: this.#clock,
      onGone: (gone) => this.#counts.forget(gone),
    });
    return measuredStore(store, this.#counts, this.requests);
  }

  /** Shows the open connections of the server's socket. */
  watchConnections(count: () => Promise<number>): void {
    new Gauge({
      name: "pullqueue_connections",
      help: "Open connections of clients.",
      registers: [this.#registry],
      async collect() {
        this.set(await count());
      },
    });
  }

  /** The content type of `page()`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus's text format. */
  async page(): Promise<string> {
    await this.#gauges?.refresh();
    const [own, process] = await Promise.all([this.#registry.metrics(), processMetrics().metrics()]);
    return own + process;
  }

  /** Asks the store no more. Idempotent. */
  async close(): Promise<void> {
    await this.#gauges?.close();
  }
}
