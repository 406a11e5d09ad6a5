import { benchmarkOptions, runBenchmark } from "./support/benchmark.js";
import { loadColumns, measureLoad } from "./support/load.js";
import { storeToMeasure } from "./support/store-to-measure.js";

/** The same work for any number of servers: callers, and tasks a call. */
const CALLERS = 24;
const BATCH = 10;

const options = benchmarkOptions();
await using store = await storeToMeasure(options.store);
await runBenchmark(
  {
    name: "scaling-servers",
    question: "What do several servers on one store carry?",
    parameter: "servers",
    values: [1, 2, 3],
    measure: async (servers) => {
      const load = { servers, callers: CALLERS, batch: BATCH, publishMs: options.seconds * 1000 };
      return loadColumns(await measureLoad(store, load));
    },
  },
  options,
);
