import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { openStore, systemClock } from "@pullqueue/core";
import { Connection, type KombuError, type Message } from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";
import { startChild } from "../src/child.js";
import { programPath } from "../src/program-path.js";
import { runProgram } from "../src/run-program.js";
import { READY_MS } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** The thread that stands by to renew leases: how it lives, ends and fails. On one file of SQLite, which every process may have open. */

const LEASE_MS = 2_000;
const PATIENCE = { timeout: 60_000 };

/** A file of a test's own with one message. */
async function fileWithMessage() {
  const folder = temporaryFolder();
  const path = folder.file("queue.db");
  const url = (leaseMs = LEASE_MS, option = "") => `sqlite://${path}?lease_secs=${leaseMs / 1000}${option}`;
  await using connection = new Connection(url());
  await connection.simpleQueue("work").put("one");
  const task = async () => {
    await using store = await openStore(`sqlite:${path}`);
    const { tasks } = await store.peek({ project: "default", queue: "work" }, { limit: 1 });
    return tasks[0];
  };
  /** How many handles this process has on it. */
  const openTimes = () => openFiles().filter((open) => open === path).length;
  return { url, task, openTimes, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

/** What this process has open, where the system tells. */
function openFiles(): readonly string[] {
  return readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}

/** Nothing runs in this thread meanwhile. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The next thread that this process starts. */
async function nextThread(): Promise<Worker> {
  const [worker] = await once(process, "worker", { signal: AbortSignal.timeout(READY_MS) });
  return worker as Worker;
}

async function take(connection: Connection): Promise<Message> {
  return connection.simpleQueue("work").get({ timeoutMs: READY_MS });
}

describe("the thread that renews leases", PATIENCE, () => {
  test("starts with the first message, and ends with the connection", async () => {
    using file = await fileWithMessage();
    const starting = nextThread();
    const connection = new Connection(file.url());
    const message = await take(connection);
    const thread = await starting;
    const ended = once(thread, "exit");
    expect((await connection.manifest()).renewal).toBe("thread");
    await message.ack();
    await connection.close();
    await ended;
    expect(thread.threadId).toBe(-1);
  });

  test("is started again when it dies, and then renews what the dead one was told of", async () => {
    using file = await fileWithMessage();
    const starting = nextThread();
    await using connection = new Connection(file.url());
    const message = await take(connection);
    const first = await starting;
    const restarting = nextThread();
    await first.terminate();
    await restarting;
    block(2 * LEASE_MS);
    const task = await file.task();
    expect(task?.retryCount).toBe(1);
    expect(task!.etaUs).toBeGreaterThan(systemClock().nowUs());
    await message.ack();
    expect(await file.task()).toBeUndefined();
  });

  test("says so once when it does not start, and the event loop goes on renewing", async () => {
    using file = await fileWithMessage();
    const warnings: KombuError[] = [];
    let tellWarned = () => {};
    const warned = new Promise<void>((resolve) => {
      tellWarned = resolve;
    });
    const onWarning = (warning: KombuError) => {
      warnings.push(warning);
      tellWarned();
    };
    const kill = (worker: Worker) => void worker.terminate();
    process.on("worker", kill);
    try {
      await using connection = new Connection(file.url(), { onWarning });
      const message = await take(connection);
      await warned;
      expect(message.signal.aborted).toBe(false);
      expect((await file.task())?.retryCount).toBe(1);
      await message.ack();
    } finally {
      process.off("worker", kill);
    }
    expect(warnings.map(({ code }) => code)).toEqual(["internal"]);
    expect(warnings[0]?.message).toMatch(/leaseRenewal: "loop"/);
  });

  test("is not started for ever when it dies whenever it is ready", async () => {
    using file = await fileWithMessage();
    let onWarning: (warning: KombuError) => void = () => {};
    const warned = new Promise<KombuError>((resolve) => {
      onWarning = resolve;
    });
    let [starts, readyMs] = [0, 0];
    const kill = async (worker: Worker) => {
      starts += 1;
      const startMs = performance.now();
      // Only our own end hears when it is ready. The first has opened the file by then; later ones take over its handle, but are as fast.
      if (starts === 1) await vi.waitUntil(() => file.openTimes() > 1, { timeout: READY_MS, interval: 20 });
      if (starts === 1) readyMs = performance.now() - startMs;
      await setTimeout(starts === 1 ? 2 * readyMs : 3 * readyMs);
      await worker.terminate();
    };
    process.on("worker", kill);
    try {
      await using connection = new Connection(file.url(60_000), { onWarning });
      const message = await take(connection);
      expect((await warned).message).toMatch(/^the thread that renews leases .* it ended with code 1; .*/);
      expect(starts).toBe(5);
      expect(message.signal.aborted).toBe(false);
      await message.ack();
    } finally {
      process.off("worker", kill);
    }
  });

  test("does not keep a process alive that holds a message and has nothing to do", async () => {
    using file = await fileWithMessage();
    const script = `
      import { Connection } from "@pullqueue/kombu";
      const message = await new Connection(process.argv[1]).simpleQueue("work").get();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      console.log(message.text());`;
    const { code, stdout, stderr } = await runProgram(process.execPath, [
      ...["--input-type=module", "--eval", script],
      file.url(),
    ]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "one\n", stderr: "" });
  });

  test("a delayed requeue right after it renewed is not undone", async () => {
    using file = await fileWithMessage();
    await using connection = new Connection(file.url(1_000));
    for (let round = 0; round < 5; round++) {
      const message = await take(connection);
      // Up to where it is about to renew.
      block(640 + 10 * round);
      await message.requeue({ delayMs: 100 });
      const task = await file.task();
      expect(task!.etaUs - systemClock().nowUs()).toBeLessThanOrEqual(100_000);
    }
  });

  test.each([
    ["for ten leases, however long the event loop is blocked", "", 13_500],
    ["up to holdMsMax", "&holdMsMax=4000", 4_000],
  ])("renews %s", async (_sentence, option, fromMs) => {
    using file = await fileWithMessage();
    const holder = startChild(process.execPath, [
      ...[programPath("blocking-consumer"), file.url(1_500, option)],
      ...["work", "1", "600000"],
    ]);
    await using connection = new Connection(file.url());
    try {
      await holder.line(/^handling one$/, READY_MS);
      const heldMs = performance.now();
      const message = await take(connection);
      const waitedMs = performance.now() - heldMs;
      await message.ack();
      expect(waitedMs).toBeGreaterThan(fromMs);
      expect(waitedMs).toBeLessThan(fromMs + 6_000);
    } finally {
      holder.signal("SIGKILL");
      await holder.stop();
    }
  });
});
