import { describe, expect, test } from "vitest";
import { manualClock } from "../src/clock.js";
import { QueueError } from "../src/errors.js";
import { type Waiter, Waiters } from "../src/waiters.js";

const queue = { project: "p", queue: "q" };
const other = { project: "p", queue: "other" };

/** Waiters over a list of etas, counting how often the store was asked. */
function setUp(etasUs: number[] = []) {
  const clock = manualClock(1_000_000);
  let asked = 0;
  let watching = 0;
  let notify = () => {};
  const waiters = new Waiters({
    clock,
    nextEtaUs: (_, afterUs) => {
      asked += 1;
      return etasUs.filter((etaUs) => etaUs > afterUs).sort((a, b) => a - b)[0];
    },
    watchForeignWrites: (tell) => {
      watching += 1;
      notify = tell;
      return () => {
        watching -= 1;
      };
    },
  });
  return {
    clock,
    waiters,
    etasUs,
    asked: () => asked,
    watching: () => watching,
    foreignWrite: () => notify(),
  };
}

/** The outcomes so far, each "waiting" until it settles. */
function outcomes(sleeps: readonly Promise<boolean>[]) {
  const states: unknown[] = sleeps.map(() => "waiting");
  for (const [index, sleep] of sleeps.entries()) {
    sleep.then(
      (woken) => {
        states[index] = woken;
      },
      (error: unknown) => {
        states[index] = error;
      },
    );
  }
  return async () => {
    await new Promise(setImmediate);
    return states;
  };
}

function sleepers(waiters: Waiters, count: number): { waiter: Waiter; sleep: Promise<boolean> }[] {
  return Array.from({ length: count }, () => {
    const waiter = waiters.register([queue], 1);
    return { waiter, sleep: waiter.sleep(1000, undefined) };
  });
}

describe("Waiters", () => {
  test("tasksAvailable() wakes the first to come, and no more than have use for the tasks", async () => {
    const { waiters } = setUp();
    const hungry = waiters.register([queue], 5).sleep(1000, undefined);
    const states = outcomes([hungry, ...sleepers(waiters, 3).map(({ sleep }) => sleep)]);
    waiters.tasksAvailable(queue, 4);
    expect(await states()).toEqual([true, "waiting", "waiting", "waiting"]);
    waiters.tasksAvailable(queue, 2);
    expect(await states()).toEqual([true, true, true, "waiting"]);
    waiters.tasksAvailable(other, 1);
    expect(await states()).toEqual([true, true, true, "waiting"]);
  });

  test("sleep() is woken by what happened since register()", async () => {
    const { waiters } = setUp();
    const waiter = waiters.register([queue], 1);
    waiters.tasksAvailable(queue, 1);
    expect(await waiter.sleep(1000, undefined)).toBe(true);
  });

  test("sleep() ends with false when its time is up", async () => {
    const { waiters, clock } = setUp();
    const states = outcomes([waiters.register([queue], 1).sleep(1000, undefined)]);
    clock.advance(999);
    expect(await states()).toEqual(["waiting"]);
    clock.advance(1);
    expect(await states()).toEqual([false]);
  });

  test("sleep() rejects with the signal's reason, and leaves no listener and no place in the line", async () => {
    const { waiters, watching } = setUp();
    const controller = new AbortController();
    const reason = new Error("gone");
    const states = outcomes([
      waiters.register([queue], 1).sleep(1000, controller.signal),
      ...sleepers(waiters, 1).map(({ sleep }) => sleep),
    ]);
    controller.abort(reason);
    expect(await states()).toEqual([reason, "waiting"]);
    waiters.tasksAvailable(queue, 1);
    expect(await states()).toEqual([reason, true]);
    expect(watching()).toBe(0);
  });

  test("sleep() rejects with the signal's reason also when the store is closed in the same turn", async () => {
    const { waiters } = setUp();
    const controller = new AbortController();
    const reason = new Error("gone");
    const states = outcomes([waiters.register([queue], 1).sleep(1000, controller.signal)]);
    controller.abort(reason);
    waiters.close(new QueueError("closed", "closed"));
    expect(await states()).toEqual([reason]);
  });

  test("a timer wakes one when the next task is due, and goes on to the one after it", async () => {
    const { waiters, clock, etasUs } = setUp([3_000_000, 5_000_000]);
    const states = outcomes(sleepers(waiters, 2).map(({ sleep }) => sleep));
    expect(await states()).toEqual(["waiting", "waiting"]);
    clock.advance(500);
    etasUs.push(1_600_000);
    waiters.taskDue(queue, 1_600_000);
    clock.advance(100);
    expect(await states()).toEqual([true, "waiting"]);
    clock.advance(300);
    expect(await states()).toEqual([true, "waiting"]);
  });

  test("a timer asks again before it wakes anybody, because leases are renewed", async () => {
    const { waiters, clock, etasUs } = setUp([1_100_000]);
    const states = outcomes(sleepers(waiters, 1).map(({ sleep }) => sleep));
    etasUs[0] = 1_200_000;
    clock.advance(100);
    expect(await states()).toEqual(["waiting"]);
    clock.advance(100);
    expect(await states()).toEqual([true]);
  });

  test("many who wait cost the store one question", () => {
    const { waiters, asked, watching } = setUp();
    for (const { sleep } of sleepers(waiters, 1000)) void sleep;
    expect(asked()).toBe(1);
    expect(watching()).toBe(1);
  });

  test("a foreign write wakes one where a task is available, and nobody elsewhere", async () => {
    const { waiters, etasUs, foreignWrite } = setUp();
    const states = outcomes(sleepers(waiters, 2).map(({ sleep }) => sleep));
    foreignWrite();
    expect(await states()).toEqual(["waiting", "waiting"]);
    etasUs.push(900_000);
    foreignWrite();
    expect(await states()).toEqual([true, "waiting"]);
  });

  test("passOn() wakes those who came before the wake, once each", async () => {
    const { waiters } = setUp();
    const [first, second] = sleepers(waiters, 2);
    const states = outcomes([first!.sleep, second!.sleep]);
    waiters.tasksAvailable(queue, 1);
    const firstAgain = waiters.register([queue], 1, first!.waiter);
    first!.waiter.passOn();
    expect(await states()).toEqual([true, true]);
    // The second looks and passes on; the first has looked since, so the tasks wake nobody any more.
    const again = outcomes([firstAgain.sleep(1000, undefined)]);
    second!.waiter.passOn();
    expect(await again()).toEqual(["waiting"]);
  });

  test("register() keeps the place of who was woken in vain", async () => {
    const { waiters } = setUp();
    const [first, second] = sleepers(waiters, 2);
    waiters.tasksAvailable(queue, 1);
    const states = outcomes([
      waiters.register([queue], 1, first!.waiter).sleep(1000, undefined),
      second!.sleep,
    ]);
    waiters.tasksAvailable(queue, 1);
    expect(await states()).toEqual([true, "waiting"]);
  });

  test("cancel() hands a wake to the next", async () => {
    const { waiters } = setUp();
    const leaving = waiters.register([queue], 1);
    const states = outcomes(sleepers(waiters, 1).map(({ sleep }) => sleep));
    waiters.tasksAvailable(queue, 1);
    expect(await states()).toEqual(["waiting"]);
    leaving.cancel();
    expect(await states()).toEqual([true]);
  });

  test("a waiter for several queues is woken by any, and then waits for none", async () => {
    const { waiters } = setUp();
    const both = waiters.register([queue, other], 1).sleep(1000, undefined);
    const states = outcomes([both, waiters.register([other], 1).sleep(1000, undefined)]);
    waiters.tasksAvailable(queue, 1);
    expect(await states()).toEqual([true, "waiting"]);
    waiters.tasksAvailable(other, 1);
    expect(await states()).toEqual([true, true]);
  });

  test("close() ends all waiting, now and later", async () => {
    const { waiters, watching } = setUp();
    const states = outcomes(sleepers(waiters, 2).map(({ sleep }) => sleep));
    const closed = new QueueError("closed", "closed");
    waiters.close(closed);
    expect(await states()).toEqual([closed, closed]);
    await expect(waiters.register([queue], 1).sleep(1000, undefined)).rejects.toBe(closed);
    expect(watching()).toBe(0);
  });
});

describe("Waiters wakes leases before the tasks are there,", () => {
  const task = { payload: new Uint8Array() };
  const result = (etaUs: number) => ({
    ok: true as const,
    value: { queue, id: "x", tag: undefined, enqueuedAtUs: 0, etaUs, retryCount: 0, uncounted: 0 },
  });

  test("and afterwards only those that are there for the rest", async () => {
    const { waiters, clock } = setUp();
    const [first] = sleepers(waiters, 1);
    const tasks = [task, task, { ...task, delayMs: 1 }];
    const expected = waiters.tasksComing(queue, tasks, clock.nowUs());
    expect(expected).toBe(1);
    const states = outcomes([first!.sleep, ...sleepers(waiters, 2).map(({ sleep }) => sleep)]);
    expect(await states()).toEqual([true, "waiting", "waiting"]);
    waiters.tasksWritten(queue, [result(1_000_000), result(1_000_000)], expected);
    expect(await states()).toEqual([true, true, "waiting"]);
  });

  test("expecting no more of those who could take more than came", () => {
    const { waiters, clock } = setUp();
    waiters.register([queue], 10);
    expect(waiters.tasksComing(queue, [task], clock.nowUs())).toBe(1);
  });

  test("but nobody where somebody only wants to know", async () => {
    const { waiters, clock } = setUp();
    const leasing = sleepers(waiters, 1)[0]!.sleep;
    const knowing = waiters.register([queue], 0).sleep(1000, undefined);
    const states = outcomes([leasing, knowing]);
    expect(waiters.tasksComing(queue, [task], clock.nowUs())).toBe(0);
    expect(await states()).toEqual(["waiting", "waiting"]);
    waiters.tasksWritten(queue, [result(1_000_000)]);
    expect((await states())[0]).toBe(true);
  });
});
