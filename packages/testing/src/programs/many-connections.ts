/**
 * Opens and closes connections, a few at a time, each of which does what programs do, and tells what is left behind of them.
 * Needs `--expose-gc`. Writes a line of JSON, then waits for the end of its input with everything closed, so that its broker can be
 * looked at. Usage: many-connections COUNT URL [URL of a broker that refuses, with the time to wait for it in milliseconds]
 */
import { getEventListeners } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { Connection, isClosed, isKombuError, Queue } from "@pullqueue/kombu";
import type { LeftBehind } from "../left-behind.js";

/** Connections that are open at the same time. */
const AT_ONCE = 4;

/** Looks at the heap, over all connections. */
const LOOKS = 10;

/** A wait that ends because somebody ends it, in milliseconds. */
const LONG_MS = 60_000;

/** How often the process is looked at until it is as it was, and the pause between, in milliseconds: sockets close a moment after they were told to. */
const PATIENCE = { looks: 100, pauseMs: 50 };

const [count = "0", url = "", refusingUrl, refusedMs = "200"] = process.argv.slice(2);
const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error("run with node --expose-gc");

/** Everything of all connections is told to watch this, which outlives them. */
const { signal } = new AbortController();
const warnings: string[] = [];
process.on("warning", ({ name, message }) => void warnings.push(`${name}: ${message}`));

/** What a process has open, by kind and number. */
function openNow(): Readonly<Record<string, number>> {
  const resources = process.getActiveResourcesInfo().filter((kind) => kind !== "Immediate");
  const files = readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`).replace(/:?\[\d+\]$/, "")];
    } catch {
      return []; // The one that was used to list them.
    }
  });
  const counts: Record<string, number> = {};
  for (const kind of [...resources, ...files].sort()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Takes what an earlier connection gave back, and leaves a message of its own in one's hands every other time. */
async function exchange(connection: Connection, name: string, holds: boolean): Promise<void> {
  const queue = connection.simpleQueue(name);
  await queue.put("hello", { signal });
  for (let taken = 0; taken < 10; taken++) {
    const message = await queue.get({ signal, timeoutMs: taken === 0 ? LONG_MS : 0 }).catch(unlessEmpty);
    if (message === undefined) break;
    await message.ack();
  }
  if (!holds) return;
  await queue.put("held", { signal });
  await queue.get({ signal, timeoutMs: LONG_MS }); // Its lease is kept until the connection closes.
}

function unlessEmpty(error: unknown): undefined {
  if (!isKombuError(error, "empty")) throw error;
}

/** Waits in all ways; the returned promises end when the connection does, or their own signal fires. */
async function waitingCalls(
  connection: Connection,
  name: string,
  stop: AbortSignal,
): Promise<Promise<unknown>[]> {
  const idle = new Queue(`${name}-idle`);
  const consumer = connection.consumer(idle, { callbacks: [() => {}] });
  await consumer.consume();
  return [
    connection.consumer(idle, { prefetchCount: 2 }).run(() => {}, { signal }),
    connection.drainEvents({ timeoutMs: LONG_MS, signal }),
    connection.simpleQueue(idle).get({ timeoutMs: LONG_MS, signal: AbortSignal.any([stop]) }),
  ];
}

const enough = new Error("waited long enough");

async function round(index: number, slot: number): Promise<void> {
  const connection = new Connection(url);
  const stop = new AbortController();
  const name = `many-${slot}`;
  await exchange(connection, name, index % 2 === 0);
  const waiting = index % 3 === 0 ? await waitingCalls(connection, name, stop.signal) : [];
  const ended = Promise.all(waiting.map((call) => call.catch(expectEnd)));
  await new Promise(setImmediate);
  if (index % 2 === 0) stop.abort(enough);
  await connection.close();
  await ended;
}

function expectEnd(error: unknown): void {
  if (error !== enough && !isClosed(error)) throw error;
}

/** A broker that is not there, or lets nobody in. */
async function refused(target: string): Promise<void> {
  const connection = new Connection(target);
  const limit = { signal, timeoutMs: Number(refusedMs) };
  const outcome = await connection
    .simpleQueue("q")
    .put("hello", limit)
    .catch((error: unknown) => error);
  if (!isKombuError(outcome)) throw new Error(`expected a refusal, got ${String(outcome)}`);
  await connection.close();
}

/** Runs the work `total` times, a few at a time. */
async function repeat(total: number, work: (index: number, slot: number) => Promise<void>): Promise<void> {
  let next = 0;
  const slots = Array.from({ length: AT_ONCE }, async (_, slot) => {
    for (let index = next++; index < total; index = next++) await work(index, slot);
  });
  await Promise.all(slots);
}

/** The heap when everything that can go is gone. */
async function heapBytes(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise(setImmediate);
    collect!();
  }
  return process.memoryUsage().heapUsed;
}

async function main(): Promise<void> {
  process.stdin.resume();
  const work = refusingUrl === undefined ? round : () => refused(refusingUrl);
  // Loads what is loaded once, by Node too.
  await repeat(AT_ONCE, round);
  await repeat(AT_ONCE, work);
  const before = await settledLike(undefined);
  const heap: number[] = [];
  for (let look = 0; look < LOOKS; look++) {
    const perLook = Math.ceil(Number(count) / LOOKS);
    await repeat(perLook, work);
    heap.push(await heapBytes());
  }
  const after = await settledLike(before);
  const listeners = getEventListeners(signal, "abort").length;
  const report: LeftBehind = { before, after, heapBytes: heap, listeners, warnings };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/** What is open once it is what was open, or has had time enough; without anything to compare, once it does not change any more. */
async function settledLike(wanted: Readonly<Record<string, number>> | undefined) {
  let last = JSON.stringify(wanted);
  let now = openNow();
  for (let look = 0; look < PATIENCE.looks && JSON.stringify(now) !== last; look++) {
    if (wanted === undefined) last = JSON.stringify(now);
    await new Promise((resolve) => setTimeout(resolve, PATIENCE.pauseMs));
    now = openNow();
  }
  return now;
}

await main();
