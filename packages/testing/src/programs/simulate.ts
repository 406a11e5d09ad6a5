import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type Run, simulate } from "../simulation/run.js";

// Plays simulated worlds, each chosen by a seed, on all cores. Exit code 0: no law was broken; 1: one was; 2: wrong usage.

const USAGE = `Usage: npm run simulate -- [--seeds N] [--from N] [--jobs N]   plays N worlds (default 1000), from a seed on (default 1)
       npm run simulate -- --seed N                            plays one, and shows what happens in it
`;

/** How often the terminal hears of progress, in seeds. */
const PROGRESS_SEEDS = 25;

/** What one thread plays. */
interface Share {
  readonly from: number;
  readonly until: number;
  readonly step: number;
}

/** What a thread says of one seed. */
type Verdict = Pick<Run, "seed" | "complaints">;

interface Options extends Share {
  readonly seed: number | undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" },
      from: { type: "string" },
      seed: { type: "string" },
      jobs: { type: "string" },
    },
  });
  const number = (name: keyof typeof values, fallback: number) => {
    const text = values[name];
    if (text !== undefined && !/^\d{1,10}$/.test(text))
      throw new Error(`--${name} takes a whole number, got ${text}`);
    return text === undefined ? fallback : Number(text);
  };
  const from = number("from", 1);
  const until = from + number("seeds", 1000);
  return {
    ...{ from, until, step: Math.max(1, number("jobs", availableParallelism())) },
    seed: values.seed === undefined ? undefined : number("seed", 0),
  };
}

async function playOne(seed: number): Promise<number> {
  const { lines, complaints, digest, counts } = await simulate(seed);
  for (const line of lines) process.stdout.write(`${line}\n`);
  process.stdout.write(`\nseed ${seed}: ${JSON.stringify(counts)}, trace ${digest.slice(0, 16)}\n`);
  for (const complaint of complaints) process.stdout.write(`broken law: ${complaint}\n`);
  return complaints.length === 0 ? 0 : 1;
}

async function playMany({ from, until, step }: Share): Promise<number> {
  let played = 0;
  const failed: number[] = [];
  const onVerdict = ({ seed, complaints }: Verdict) => {
    played += 1;
    if (complaints.length > 0) {
      failed.push(seed);
      process.stdout.write(`seed ${seed}: ${complaints[0]}\n  again: npm run simulate -- --seed ${seed}\n`);
    }
    if (process.stderr.isTTY && played % PROGRESS_SEEDS === 0) {
      process.stderr.write(`\r${played} of ${until - from} seeds, ${failed.length} failed`);
    }
  };
  const threads = Array.from({ length: step }, (_, index) =>
    playShare({ from: from + index, until, step }, onVerdict),
  );
  await Promise.all(threads);
  process.stdout.write(
    `${process.stderr.isTTY ? "\n" : ""}${played} seeds from ${from} on, ${failed.length} failed\n`,
  );
  return failed.length === 0 && played === until - from ? 0 : 1;
}

/** In a thread of its own; resolves when it has ended. */
function playShare(share: Share, onVerdict: (verdict: Verdict) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share });
    worker.on("message", onVerdict);
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  return options.seed === undefined ? playMany(options) : playOne(options.seed);
}

if (isMainThread) process.exitCode = await main();
else {
  const { from, until, step } = workerData as Share;
  for (let seed = from; seed < until; seed += step) {
    const { complaints } = await simulate(seed);
    parentPort?.postMessage({ seed, complaints } satisfies Verdict);
  }
}
