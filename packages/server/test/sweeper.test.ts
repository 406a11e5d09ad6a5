import { manualClock, type QueueAdmin, QueueError, type SweepResult } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { expect, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { createLog } from "../src/log.js";
import { startServer } from "../src/start-server.js";
import { Sweeper } from "../src/sweeper.js";

const NOTHING: SweepResult = { expiredTasks: 0, deadLetteredTasks: 0 };

/** A sweeper on a manual clock whose sweeps the test answers, and the lines that it logs. */
function open(sweep: QueueAdmin["sweep"], intervalMs = 1000, random = () => 0.5) {
  const clock = manualClock();
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLog({ level: "debug", format: "json", stream });
  return { clock, lines, sweeper: new Sweeper({ store: { sweep }, clock, intervalMs, log, random }) };
}

/** Lets what is settled go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("Sweeper sweeps after each interval, and logs what was found", async () => {
  let sweeps = 0;
  const { clock, lines, sweeper } = open(async () => {
    sweeps += 1;
    return sweeps === 1 ? NOTHING : { expiredTasks: 2, deadLetteredTasks: 1 };
  });
  clock.advance(999);
  expect(sweeps).toBe(0);
  for (const expected of [1, 2]) {
    clock.advance(1000);
    await settle();
    expect(sweeps).toBe(expected);
  }
  expect(lines).toMatchObject([
    { level: 20, expiredTasks: 0 },
    { level: 30, expiredTasks: 2, deadLetteredTasks: 1, msg: "swept what time has ended" },
  ]);
  await sweeper.stop();
});

test("Sweeper pauses from half the interval to one and a half, as chance has it", async () => {
  for (const [random, firstMs] of [
    [0, 500],
    [0.999, 1499],
  ] as const) {
    let sweeps = 0;
    const count = async () => {
      sweeps += 1;
      return NOTHING;
    };
    const { clock, sweeper } = open(count, 1000, () => random);
    clock.advance(firstMs - 1);
    expect(sweeps).toBe(0);
    clock.advance(1);
    expect(sweeps).toBe(1);
    await sweeper.stop();
  }
});

test("Sweeper never runs two sweeps at once, and waits its interval after a long one", async () => {
  const running: ((result: SweepResult) => void)[] = [];
  const { clock, sweeper } = open(() => new Promise((resolve) => running.push(resolve)));
  clock.advance(10_000);
  expect(running).toHaveLength(1);
  running[0]?.(NOTHING);
  await settle();
  clock.advance(1000);
  expect(running).toHaveLength(2);
  running[1]?.(NOTHING);
  await sweeper.stop();
});

test("Sweeper logs a sweep that fails, and goes on", async () => {
  let sweeps = 0;
  const { clock, lines, sweeper } = open(async () => {
    sweeps += 1;
    throw new QueueError("unavailable", "the disk is full");
  });
  for (const expected of [1, 2]) {
    clock.advance(1000);
    await settle();
    expect(sweeps).toBe(expected);
  }
  expect(lines[0]).toMatchObject({
    level: 40,
    code: "unavailable",
    msg: expect.stringContaining("disk is full"),
  });
  await sweeper.stop();
});

test("Sweeper.stop() aborts the sweep that runs, waits for its end, and nothing follows", async () => {
  let aborted = 0;
  let sweeps = 0;
  const { clock, lines, sweeper } = open((options) => {
    sweeps += 1;
    return new Promise((_, reject) => {
      options?.signal?.addEventListener("abort", () => {
        aborted += 1;
        reject(options.signal?.reason);
      });
    });
  });
  clock.advance(1000);
  await Promise.all([sweeper.stop(), sweeper.stop()]);
  expect(aborted).toBe(1);
  clock.advance(10_000);
  await settle();
  expect({ sweeps, lines }).toEqual({ sweeps: 1, lines: [] });
});

test("Sweeper with an interval of 0 does nothing", async () => {
  const { clock, sweeper } = open(() => Promise.reject(new Error("swept")), 0);
  clock.advance(1_000_000);
  await sweeper.stop();
});

test("startServer() sweeps its store by the clock, and close() ends a sweep that runs", async () => {
  const clock = manualClock();
  const store = openMemoryStore({ clock });
  let aborted = 0;
  const sweeping = new Promise<void>((begin) => {
    Object.defineProperty(store, "sweep", {
      value: (options: { readonly signal: AbortSignal }) =>
        new Promise((_, reject) => {
          options.signal.addEventListener("abort", () => {
            aborted += 1;
            reject(options.signal.reason);
          });
          begin();
        }),
    });
  });
  const config = await loadConfig({ flags: { port: 0, store: "memory:", sweepIntervalMs: 1000 } });
  const server = await startServer(config, {
    store,
    log: createLog({ level: "silent", format: "json" }),
    clock,
  });
  clock.advance(1500);
  await sweeping;
  await server.close();
  expect(aborted).toBe(1);
});
