import { describe, expect, test } from "vitest";
import { manualClock } from "../src/clock.js";
import type { QueueKey } from "../src/task.js";
import { Waiters } from "../src/waiters.js";
import { type Deferred, deferred } from "./support/deferred.js";

const queue = { project: "p", queue: "q" };
const other = { project: "p", queue: "other" };
const turn = () => new Promise(setImmediate);

/** Sleeps and notes when it was woken. */
function sleeper(waiters: Waiters, name: string, woken: string[], keys: readonly QueueKey[] = [queue]) {
  const sleep = waiters.register(keys, 1).sleep(60_000, undefined);
  void sleep.then((wake) => wake && woken.push(name));
}

describe("retryAt()", () => {
  test("wakes one waiter of each queue at that time, and the earlier of two times", async () => {
    const clock = manualClock(0);
    const waiters = new Waiters({ clock, nextEtaUs: () => undefined });
    const woken: string[] = [];
    for (const name of ["a", "b"]) sleeper(waiters, name, woken);
    sleeper(waiters, "c", woken, [other]);
    waiters.retryAt([queue, other], 2_000_000);
    waiters.retryAt([queue], 1_000_000);
    waiters.retryAt([queue], 3_000_000);
    clock.advance(1000);
    await turn();
    expect(woken).toEqual(["a"]);
    clock.advance(1000);
    await turn();
    expect(woken).toEqual(["a", "c"]);
    clock.advance(10_000);
    await turn();
    expect(woken).toEqual(["a", "c"]);
  });

  test("means nothing to a queue that nobody waits for, and ends with the last who does", async () => {
    const clock = manualClock(0);
    const waiters = new Waiters({ clock, nextEtaUs: () => undefined });
    waiters.retryAt([queue], 1_000_000);
    const first = waiters.register([queue], 1);
    waiters.retryAt([queue], 1_000_000);
    first.cancel();
    const woken: string[] = [];
    sleeper(waiters, "late", woken);
    clock.advance(1000);
    await turn();
    expect(woken).toEqual([]);
  });
});

describe("nextEtaUs that promises", () => {
  /** A store that answers when told. */
  function slowStore() {
    const clock = manualClock(0);
    const asked: { readonly queue: string; readonly answer: Deferred<number | undefined> }[] = [];
    let notify = (_?: QueueKey) => {};
    const waiters = new Waiters({
      clock,
      nextEtaUs: ({ queue: name }) => {
        const answer = deferred<number | undefined>();
        asked.push({ queue: name, answer });
        return answer.promise;
      },
      watchForeignWrites: (tell) => {
        notify = tell;
        return () => {};
      },
    });
    return { clock, waiters, asked, foreignWrite: (key?: QueueKey) => notify(key) };
  }

  test("arms a timer when it answers, and a task that came meanwhile is not late", async () => {
    const { clock, waiters, asked } = slowStore();
    const woken: string[] = [];
    sleeper(waiters, "a", woken);
    waiters.taskDue(queue, 1_000_000);
    asked[0]?.answer.resolve(5_000_000);
    await turn();
    clock.advance(1000);
    asked[1]?.answer.resolve(1_000_000);
    await turn();
    expect(woken).toEqual(["a"]);
  });

  test("wakes at once for what is due when it answers", async () => {
    const { clock, waiters, asked } = slowStore();
    const woken: string[] = [];
    sleeper(waiters, "a", woken);
    clock.advance(2000);
    asked[0]?.answer.resolve(1_000_000);
    await turn();
    clock.advance(0);
    asked[1]?.answer.resolve(1_000_000);
    await turn();
    expect(woken).toEqual(["a"]);
  });

  test("is asked once at a time for a queue, and again for what was written meanwhile", async () => {
    const { waiters, asked, foreignWrite } = slowStore();
    const woken: string[] = [];
    sleeper(waiters, "a", woken);
    sleeper(waiters, "o", woken, [other]);
    const before = asked.length;
    for (let count = 0; count < 3; count++) foreignWrite(queue);
    expect(asked.length).toBe(before + 1);
    asked.at(-1)?.answer.resolve(undefined);
    await turn();
    const looks = asked.slice(before).filter(({ queue: name }) => name === "q");
    expect(looks.length).toBeGreaterThan(1);
    for (const { answer } of looks) answer.resolve(0);
    await turn();
    expect(woken).toEqual(["a"]);
  });

  test("is asked for all queues when a write says nothing of its queue", () => {
    const { waiters, asked, foreignWrite } = slowStore();
    sleeper(waiters, "a", []);
    sleeper(waiters, "o", [], [other]);
    const before = asked.length;
    foreignWrite();
    expect(asked.slice(before).map(({ queue: name }) => name)).toEqual(["q", "other"]);
    foreignWrite({ project: "p", queue: "unknown" });
    expect(asked.length).toBe(before + 2);
  });

  test("may answer after everybody has gone", async () => {
    const { clock, waiters, asked, foreignWrite } = slowStore();
    const controller = new AbortController();
    const sleep = waiters.register([queue], 1).sleep(60_000, controller.signal);
    foreignWrite(queue);
    controller.abort(new Error("gone"));
    await expect(sleep).rejects.toThrow("gone");
    for (const { answer } of asked) answer.resolve(1);
    await turn();
    clock.advance(10_000);
    await turn();
    expect(asked.length).toBe(2);
  });
});
