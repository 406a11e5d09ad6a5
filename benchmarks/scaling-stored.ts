import { openStore, type QueueAdmin, type QueueKey, type QueueStore } from "@pullqueue/core";
import { benchmarkOptions, type Figures, runBenchmark } from "./support/benchmark.js";
import { storeToMeasure } from "./support/store-to-measure.js";

const QUEUE: QueueKey = { project: "bench", queue: "stored" };

/** Bytes of each payload: small, so that ten million tasks fit on a usual disk. */
const PAYLOAD_BYTES = 100;

/** Tasks of one call that fills, and how many such calls are under way. */
const FILL_BATCH = 1000;
const FILL_CALLS = 4;

/** Tasks of one call that is measured, and how often each is. */
const BATCH = 100;
const TIMES = 100;

/** Longer than any measurement, in milliseconds. */
const LEASE_MS = 600_000;

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
      const fillPerSecond = await fill(store, count - stored);
      stored = count;
      return { ...(await measureCycle(store)), "filled/s": Math.round(fillPerSecond) };
    },
  },
  options,
);

/** Adds so many tasks, and gives how many a second. */
async function fill(target: QueueStore, count: number): Promise<number> {
  const startMs = performance.now();
  let left = count;
  const caller = async () => {
    while (left > 0) {
      const batch = Math.min(left, FILL_BATCH);
      left -= batch;
      await insert(target, batch);
    }
  };
  await Promise.all(Array.from({ length: FILL_CALLS }, caller));
  return count / ((performance.now() - startMs) / 1000);
}

async function insert(target: QueueStore, batch: number): Promise<void> {
  const tasks = Array.from({ length: batch }, () => ({ payload: new Uint8Array(PAYLOAD_BYTES).fill(120) }));
  for (const result of await target.insert(QUEUE, tasks)) if (!result.ok) throw result.error;
}

/** Insert, lease and delete in turn, so that their number stays; alone, so that each call is seen whole. */
async function measureCycle(target: QueueStore & QueueAdmin): Promise<Figures> {
  const times = {
    insert: [] as number[],
    lease: [] as number[],
    delete: [] as number[],
    stats: [] as number[],
  };
  const timed = async <T>(name: keyof typeof times, work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    const result = await work();
    times[name].push(performance.now() - startMs);
    return result;
  };
  for (let time = 0; time < TIMES; time++) {
    await timed("insert", () => insert(target, BATCH));
    const request = { maxTasks: BATCH, leaseMs: LEASE_MS };
    const tasks = await timed("lease", () => target.lease([QUEUE], request));
    const fences = tasks.map(({ id, retryCount }) => ({ id, retryCount }));
    const results = await timed("delete", () => target.delete(QUEUE, fences));
    for (const result of results) if (!result.ok) throw result.error;
    await timed("stats", () => target.getQueue(QUEUE, { stats: true }));
  }
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
