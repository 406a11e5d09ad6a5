import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { openMemoryStore } from "../../src/stores/memory.js";

const queue = { project: "p", queue: "q" };
const payload = new TextEncoder().encode("hello");

describe("openMemoryStore()", () => {
  test("lease() hides a task until its lease ends", async () => {
    const clock = manualClock();
    await using store = openMemoryStore({ clock });
    await store.insert([queue][0]!, [{ payload }]);
    const [task] = await store.lease([queue], { maxTasks: 10, leaseMs: 1000 });
    expect(task).toMatchObject({ retryCount: 1, payload });
    expect(await store.lease([queue], { maxTasks: 10, leaseMs: 1000 })).toEqual([]);
    clock.advance(1000);
    expect(await store.lease([queue], { maxTasks: 10, leaseMs: 1000 })).toMatchObject([{ retryCount: 2 }]);
  });
});
