import { availableParallelism, cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { othersMeter } from "./cpu-time.js";

/** Figures of one measurement by what they are called, with their unit: `insert of 100, ms`. */
export type Figures = Readonly<Record<string, number | string>>;

/** One question, answered by measuring while one thing varies. */
export interface Benchmark {
  /** The file's name without `.ts`, as `npm run bench` takes it. */
  readonly name: string;
  /** What it answers, as a sentence. */
  readonly question: string;
  /** What varies, and through which values unless `--values` says others. */
  readonly parameter: string;
  readonly values: readonly number[];
  /** Called for each value in order, once. What is alike in all of them is started and ended outside. */
  measure(value: number): Promise<Figures>;
}

/** What may be said on the command line of any benchmark. */
export interface BenchmarkOptions {
  /** Where tasks are kept: `postgres` and `sqlite` are made for the occasion, anything else is a store's address. */
  readonly store: string;
  /** Other values of the parameter, with commas. */
  readonly values: readonly number[] | undefined;
  /** How long each measurement takes, in seconds, where it is a matter of choice. */
  readonly seconds: number;
}

/** How long each measurement takes unless told otherwise, in seconds: a checkpoint of the database may fall into it or not. */
const SECONDS_DEFAULT = 8;

/** Reads the command line. From now on Ctrl-C ends the process, and with it what was started, and its folders. */
export function benchmarkOptions(): BenchmarkOptions {
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
  const { values } = parseArgs({
    options: {
      store: { type: "string", default: "postgres" },
      values: { type: "string" },
      seconds: { type: "string", default: String(SECONDS_DEFAULT) },
    },
  });
  return {
    store: values.store,
    values: values.values?.split(",").map(Number),
    seconds: Number(values.seconds),
  };
}

/**
 * Measures, and prints on standard output: the question, the machine, a table in Markdown with what else the machine was
 * doing, and the same as JSON. What goes on meanwhile is on standard error.
 */
export async function runBenchmark(benchmark: Benchmark, options: BenchmarkOptions): Promise<void> {
  const { name, question, parameter } = benchmark;
  const machine = describeMachine();
  const rows: Figures[] = [];
  for (const value of options.values ?? benchmark.values) {
    process.stderr.write(`${name}: ${parameter} ${value} …\n`);
    const others = othersMeter();
    const figures = await benchmark.measure(value);
    rows.push({ [parameter]: value, ...figures, "cores that others used": others.busyCores() });
  }
  const command = ["npm run bench --", name, ...process.argv.slice(2)].join(" ");
  const result = { name, command, question, store: options.store, machine, rows };
  process.stdout.write(
    [
      `## ${question}`,
      `\`${command}\` on ${machine}`,
      markdownTable(rows),
      `\`\`\`json\n${JSON.stringify(result, undefined, 2)}\n\`\`\`\n`,
    ].join("\n\n"),
  );
}

/** Cores, memory and Node, in half a line. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores (${model}), ${memoryGib} GiB, Node ${process.versions.node}`;
}

function markdownTable(rows: readonly Figures[]): string {
  const names = Object.keys(rows[0] ?? {});
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(names),
    line(names.map(() => "---:")),
    ...rows.map((row) => line(names.map((column) => shown(row[column] ?? "")))),
  ].join("\n");
}

/** Three digits: more would promise something. */
function shown(figure: number | string): string {
  if (typeof figure === "string" || Number.isInteger(figure)) return String(figure);
  return Math.abs(figure) >= 100 ? figure.toFixed(0) : figure.toPrecision(3);
}
