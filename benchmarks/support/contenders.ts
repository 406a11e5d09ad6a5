import { type Child, startChild } from "@pullqueue/testing";
import { programPath } from "./places.js";
import type { Figures } from "./question.js";

/** Flags of the contenders' command line, as `peers/contract.mjs` lists them. */
export type Flags = Readonly<Record<string, string | number>>;

/** A contender's program: a file below `benchmarks/`. */
export interface Program {
  readonly path: string;
  /** Where its broker is. */
  readonly url: string;
  /** Flags that are the same in all of its runs. */
  readonly flags?: Flags;
}

/** How long one run may take, in milliseconds: the slowest peer with the most messages, on a busy machine. */
const RUN_MS = 600_000;

/** How long a receiver may take to be there, in milliseconds. */
const READY_MS = 60_000;

/** Of the messages this share is sent before the clock starts, so that nobody's compiler is measured. */
const WARMUP_SHARE = 0.1;

/** Messages ahead of those whose latency is measured. A worker runs for days; what its first hundreds cost is its compiler's time. */
const LATENCY_AHEAD = 2000;

/** Messages under way while a queue is filled, which nobody measures. */
const FILL_INFLIGHT = 1000;

/** One that runs, and how to talk to it. */
interface Running extends AsyncDisposable {
  /** Resolves when it says that it is ready. */
  ready(): Promise<void>;
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  /** Its figures; rejects with what it wrote to standard error. */
  figures(): Promise<Figures>;
}

/** Those that run, for who must end early. */
const running = new Set<Child>();

/** Ends all that run. */
export async function stopContenders(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}

/** Starts a contender's program. */
export function start({ path, url, flags = {} }: Program, more: Flags): Running {
  const all = Object.entries({ url, ...flags, ...more });
  const parameters = [programPath(path), ...all.flatMap(([name, value]) => [`--${name}`, String(value)])];
  let last = "";
  const child = startChild(path.endsWith(".py") ? "/usr/bin/python3" : process.execPath, parameters, {
    onLine: (line) => {
      last = line;
    },
  });
  running.add(child);
  return {
    ready: async () => void (await child.line(/^ready$/, READY_MS)),
    pid: child.pid,
    signal: child.signal,
    figures: async () => {
      const { code, signal } = await child.exited(RUN_MS);
      if (code === 0 && last.startsWith("{")) return JSON.parse(last) as Figures;
      throw new Error(`${path} ended with ${code ?? signal}\n${child.stderr()}`);
    },
    [Symbol.asyncDispose]: async () => {
      await child.stop();
      running.delete(child);
    },
  };
}

/** Runs one to its end. */
export async function run(program: Program, flags: Flags): Promise<Figures> {
  await using contender = start(program, flags);
  return await contender.figures();
}

/** Publishes so many, each confirmed: `publish_per_s`. */
export function publish(program: Program, flags: Flags & { readonly messages: number }): Promise<Figures> {
  return run(program, { role: "publish", warmup: warmupOf(flags.messages), ...flags });
}

/** Fills the queue, then receives and acknowledges: `receive_per_s`. A process of its own for each, one after the other. */
export async function receive(
  program: Program,
  flags: Flags & { readonly messages: number },
): Promise<Figures> {
  await run(program, { inflight: FILL_INFLIGHT, ...flags, role: "publish" });
  return run(program, { role: "receive", warmup: warmupOf(flags.messages), ...flags });
}

/** Both, one after the other, the publishing measured too. */
export async function publishAndReceive(
  program: Program,
  flags: Flags & { readonly messages: number },
): Promise<Figures> {
  const published = await publish(program, flags);
  return {
    ...published,
    ...(await run(program, { role: "receive", warmup: warmupOf(flags.messages), ...flags })),
  };
}

/** Publishes at an even rate to a consumer that waits: `p50_ms` and `p99_ms` from before the publish to the handler. */
export async function latency(
  program: Program,
  flags: Flags & { readonly messages: number },
  ahead = LATENCY_AHEAD,
): Promise<Figures> {
  const { messages, ...rest } = flags;
  const all = { ...rest, latency: ahead + messages, warmup: ahead };
  await using receiver = start(program, { role: "receive", ...all });
  await receiver.ready();
  await run(program, { role: "publish", ...all });
  return await receiver.figures();
}

function warmupOf(messages: number): number {
  return Math.floor(messages * WARMUP_SHARE);
}
