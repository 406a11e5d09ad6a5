import {
  type ManualClock,
  manualClock,
  type QueueAdmin,
  type QueueStore,
  type StoreOptions,
} from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { ServerMetrics } from "../../src/metrics/server-metrics.js";
import { openApi } from "../support.js";

/** Series of a page by their text before the value: `name{a="b"}`. */
export type Series = ReadonlyMap<string, number>;

/** Reads a page of metrics; labels are in the order in which the server writes them. */
export function readPage(page: string): Series {
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** The series that begin so, without zeros. */
export function seriesOf(series: Series, prefix: string): Record<string, number> {
  return Object.fromEntries([...series].filter(([name, value]) => name.startsWith(prefix) && value !== 0));
}

/** Opens the store of a test with the options that count. */
export type OpenStore = (options: StoreOptions) => Promise<QueueStore & QueueAdmin>;

/** A handler with metrics over a store with a manual clock. */
export async function openMeasuredApi(open: OpenStore = async (options) => openMemoryStore(options)) {
  const clock: ManualClock = manualClock();
  const metrics = new ServerMetrics(clock);
  const inner = await open({ clock, observer: metrics.observer });
  const store = metrics.watch(inner);
  const api = openApi({ store, clock, metrics });
  return {
    ...api,
    clock,
    metrics,
    /** The page, after its counts have become old. */
    async scrape(): Promise<Series> {
      clock.advance(10_000);
      return readPage((await api.call("GET", "/metrics")).text);
    },
    async close(): Promise<void> {
      await metrics.close();
      await store.close();
    },
  };
}
