import { benchmarkOptions, runBenchmark } from "./support/benchmark.js";
import { loadColumns, measureLoad } from "./support/load.js";
import { storeToMeasure } from "./support/store-to-measure.js";

/** Callers at the same time: enough that the store always has work, few enough that all of it fits on two cores. */
const CALLERS = 16;

const options = benchmarkOptions();
await using store = await storeToMeasure(options.store);
await runBenchmark(
  {
    name: "scaling-batch",
    question: "What do one server and one store carry, one task at a time and in batches?",
    parameter: "tasks a call",
    values: [1, 10, 100, 1000],
    measure: async (batch) => {
      const load = { servers: 1, callers: CALLERS, batch, publishMs: options.seconds * 1000 };
      return loadColumns(await measureLoad(store, load));
    },
  },
  options,
);
