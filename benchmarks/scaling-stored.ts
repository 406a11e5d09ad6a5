import { openStore, type QueueKey } from "@pullqueue/core";
import { benchmarkOptions, type Figures, runBenchmark } from "./support/benchmark.js";
import { storeToMeasure } from "./support/store-to-measure.js";
import { cycleTimes, fill } from "./support/stored-tasks.js";

const QUEUE: QueueKey = { project: "bench", queue: "stored" };

/** Tasks of one call that is measured, and how often each is. */
const BATCH = 100;
const TIMES = 100;

const options = benchmarkOptions();
await using place = await storeToMeasure(options.store);
await using store = await openStore(place.address);
let stored = 0;
await runBenchmark(
  {
    name: "scaling-stored",
    question: "How does the cost of a call grow with the tasks stored?",
    parameter: "tasks stored",
    values: [1e3, 1e4, 1e5, 1e6, 1e7],
    measure: async (count) => {
      const fillPerSecond = await timedFill(count - stored);
      stored = count;
      return { ...(await measureCycle()), "filled/s": Math.round(fillPerSecond) };
    },
  },
  options,
);

/** Adds so many tasks, and gives how many a second. */
async function timedFill(count: number): Promise<number> {
  const startMs = performance.now();
  await fill(store, QUEUE, count);
  return count / ((performance.now() - startMs) / 1000);
}

async function measureCycle(): Promise<Figures> {
  const times = await cycleTimes(store, QUEUE, { batch: BATCH, cycles: TIMES });
  return Object.fromEntries(
    Object.entries(times).map(([name, all]) => [
      `${name === "stats" ? name : `${name} of ${BATCH}`}, ms (95 %)`,
      `${quantile(all, 0.5).toFixed(1)} (${quantile(all, 0.95).toFixed(1)})`,
    ]),
  );
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
}
