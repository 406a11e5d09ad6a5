/**
 * A client of the soak. Usage: soak-client URL producer|consumer NAME
 * A producer inserts as many tasks a second as the last line of its standard input says; a consumer leases, gives a few
 * back and deletes the others. Tells what it does in the lines of client-lines.ts. Ends with its standard input, if it is
 * not killed before.
 */
import { createInterface } from "node:readline";
import { type HttpStore, openHttpStore, randomFraction, type TaskWithPayload } from "@pullqueue/core";
import { LINES, leaseName } from "../soak/client-lines.js";

const [endpoint = "", role = "", name = ""] = process.argv.slice(2);

const QUEUE = { project: "soak", queue: "queue" };

/** Tasks in one insert or lease. */
const BATCH = 50;

/** How long tasks are leased, in milliseconds of the server's fast clock: two seconds of ours. */
const LEASE_MS = 600_000;

/** How long a lease waits, in milliseconds of the server's clock. */
const WAIT_MS = 50_000;

/** What part of the leased tasks is given back. */
const RELEASED_PART = 0.02;

/** How often a producer looks at what is due, in milliseconds. */
const TICK_MS = 20;

/** More than this a producer does not make up for after it was held up, in seconds. */
const LATE_SECONDS_MAX = 1;

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Inserts at the rate that it is told, a batch at a time. */
async function produce(store: HttpStore, stop: AbortSignal): Promise<void> {
  let rate = 0;
  createInterface({ input: process.stdin }).on("line", (line) => {
    rate = Number(line);
  });
  let next = 0;
  let owed = 0;
  let lastMs = performance.now();
  while (!stop.aborted) {
    const nowMs = performance.now();
    owed = Math.min(owed + (rate * (nowMs - lastMs)) / 1000, rate * LATE_SECONDS_MAX);
    lastMs = nowMs;
    if (owed < BATCH) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      continue;
    }
    await insert(store, next, next + BATCH);
    next += BATCH;
    owed -= BATCH;
  }
}

async function insert(store: HttpStore, from: number, to: number): Promise<void> {
  tell(LINES.sending(from, to));
  const keys = Array.from({ length: to - from }, (_, index) => `${name}:${from + index}`);
  const results = await store.insert(
    QUEUE,
    keys.map((key) => ({ payload: Buffer.from(key) })),
  );
  for (const result of results) if (!result.ok) throw result.error;
  tell(LINES.sent(from, to));
}

/** Leases and deletes. */
async function consume(store: HttpStore, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const tasks = await store.lease(
      [QUEUE],
      { maxTasks: BATCH, leaseMs: LEASE_MS, waitMs: WAIT_MS },
      { signal: stop },
    );
    const [first] = tasks;
    if (first === undefined) continue;
    const names = tasks.map((task) => leaseName(keyOf(task), task.retryCount));
    tell(LINES.leased(first.etaUs - LEASE_MS * 1000, first.etaUs, names));
    const given = tasks.filter(() => randomFraction() < RELEASED_PART);
    if (given.length > 0) await release(store, given);
    await remove(
      store,
      tasks.filter((task) => !given.includes(task)),
    );
  }
}

async function release(store: HttpStore, tasks: readonly TaskWithPayload[]): Promise<void> {
  tell(LINES.releasing(tasks.map((task) => leaseName(keyOf(task), task.retryCount))));
  const leases = tasks.map(({ id, retryCount }) => ({ id, retryCount, leaseMs: 0 }));
  await store.extend(QUEUE, leases);
}

async function remove(store: HttpStore, tasks: readonly TaskWithPayload[]): Promise<void> {
  const names = tasks.map((task) => leaseName(keyOf(task), task.retryCount));
  tell(LINES.deleting(names));
  const results = await store.delete(
    QUEUE,
    tasks.map(({ id, retryCount }) => ({ id, retryCount })),
  );
  // A lease that ran out on a busy machine is refused, and the task comes back.
  tell(LINES.deleted(names.filter((_, index) => results[index]?.ok === true)));
}

function keyOf({ payload }: TaskWithPayload): string {
  return Buffer.from(payload).toString();
}

async function main(): Promise<void> {
  const stop = new AbortController();
  process.stdin.on("end", () => stop.abort()).resume();
  const store = openHttpStore({ endpoint });
  try {
    await store.ready();
    tell("ready");
    await (role === "producer" ? produce(store, stop.signal) : consume(store, stop.signal));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    await store.close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
});
