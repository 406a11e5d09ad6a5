import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { storeSuite } from "../../src/conformance/index.js";
import { EXHAUSTED_PER_LEASE_MAX } from "../../src/limits.js";
import { openMemoryStore } from "../../src/stores/memory.js";
import { DEFAULT_QUEUE_SETTINGS, type Task } from "../../src/task.js";
import { memoryUnderTest } from "../support/store-under-test.js";

const queue = { project: "p", queue: "q" };
const payload = new TextEncoder().encode("hello");
const lease = { maxTasks: 10, leaseMs: 60_000 };

describe("openMemoryStore()", () => {
  storeSuite({ describe, test, factory: memoryUnderTest });

  test("insert() keeps bytes of its own, and lease() hands out copies", async () => {
    const clock = manualClock();
    await using store = openMemoryStore({ clock });
    const bytes = new Uint8Array([1, 2, 3]);
    await store.insert(queue, [{ payload: bytes }]);
    bytes.fill(0);
    const [first] = await store.lease([queue], { ...lease, leaseMs: 0 });
    expect(first!.payload).toEqual(new Uint8Array([1, 2, 3]));
    first!.payload.fill(0);
    const [second] = await store.lease([queue], lease);
    expect(second!.payload).toEqual(new Uint8Array([1, 2, 3]));
  });

  test("sharedPayloads: all keeps and hands out the bytes as they are", async () => {
    await using store = openMemoryStore({ sharedPayloads: "all" });
    const bytes = new Uint8Array([1, 2, 3]);
    await store.insert(queue, [{ payload: bytes }]);
    const [task] = await store.lease([queue], lease);
    expect(task!.payload).toBe(bytes);
    expect((await store.peek(queue, { id: task!.id })).tasks[0]!.payload).toBe(bytes);
  });

  test("sharedPayloads: leased keeps bytes of its own, and hands them out as they are", async () => {
    await using store = openMemoryStore({ sharedPayloads: "leased" });
    const bytes = new Uint8Array([1, 2, 3]);
    await store.insert(queue, [{ payload: bytes }]);
    bytes.fill(0);
    const [task] = await store.lease([queue], lease);
    expect(task!.payload).toEqual(new Uint8Array([1, 2, 3]));
    expect((await store.peek(queue, { id: task!.id })).tasks[0]!.payload).toBe(task!.payload);
  });

  test.each(["no", null, 0, true])("sharedPayloads %j is refused", (sharedPayloads) => {
    const open = () => openMemoryStore({ sharedPayloads: sharedPayloads as never });
    expect(open).toThrow(/sharedPayloads must be "none", "leased" or "all"; got/);
  });

  test("lease() by tag finds what was there before anybody asked by tag, and what came after", async () => {
    await using store = openMemoryStore();
    await store.insert(queue, [{ payload, tag: "a" }, { payload }, { payload, tag: "a" }]);
    const ofA = { ...lease, maxTasks: 1, groupByTag: true, tag: "a" };
    expect(await store.lease([queue], ofA)).toMatchObject([{ tag: "a" }]);
    await store.insert(queue, [
      { payload, tag: "b" },
      { payload, tag: "a" },
    ]);
    expect(await store.lease([queue], { ...ofA, maxTasks: 10 })).toMatchObject([{ tag: "a" }, { tag: "a" }]);
    expect((await store.tagStats(queue)).tags).toMatchObject([
      { tag: undefined, totalTasks: 1 },
      { tag: "a", totalTasks: 3 },
      { tag: "b", totalTasks: 1 },
    ]);
  });

  test("insert() refuses payload bytes past the limit, and takes them again when tasks are gone", async () => {
    await using store = openMemoryStore({ payloadBytesMax: 10 });
    const five = { payload: new Uint8Array(5) };
    const results = await store.insert(queue, [{ ...five, id: "a" }, five, five]);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, false]);
    expect(results[2]).toMatchObject({ error: { code: "resource_exhausted" } });
    await store.delete(queue, [{ id: "a" }]);
    expect(await store.insert(queue, [five])).toMatchObject([{ ok: true }]);
    await store.purge(queue);
    expect(await store.insert(queue, [five, five])).toMatchObject([{ ok: true }, { ok: true }]);
    await store.deleteQueue(queue);
    expect(await store.insert(queue, [five, five])).toMatchObject([{ ok: true }, { ok: true }]);
  });

  test("insert() refuses tasks past the limit", async () => {
    await using store = openMemoryStore({ tasksMax: 2 });
    const results = await store.insert(queue, [{ payload }, { payload }, { payload }]);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, false]);
    expect(results[2]).toMatchObject({ error: { code: "resource_exhausted" } });
  });

  test("lease() tells its observer of each exhausted task", async () => {
    const clock = manualClock();
    const dropped: Task[] = [];
    const onExhausted = (task: Task) => void dropped.push(task);
    await using store = openMemoryStore({ clock, observer: { onExhausted } });
    await store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 1 });
    await store.insert(queue, [{ payload, id: "spent", tag: "t" }]);
    await store.lease([queue], { ...lease, leaseMs: 0 });
    expect(await store.lease([queue], lease)).toEqual([]);
    expect(dropped).toMatchObject([{ id: "spent", tag: "t", retryCount: 1 }]);
  });

  test("lease() finds a task behind more exhausted ones than one look drops", async () => {
    const clock = manualClock();
    let dropped = 0;
    const onExhausted = () => {
      dropped += 1;
    };
    await using store = openMemoryStore({ clock, observer: { onExhausted } });
    await store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 1 });
    const spent = EXHAUSTED_PER_LEASE_MAX + 1000;
    for (let count = 0; count < spent; count += 1000) {
      await store.insert(
        queue,
        Array.from({ length: 1000 }, () => ({ payload })),
      );
      await store.lease([queue], { maxTasks: 1000, leaseMs: 1000 });
    }
    clock.advance(1000);
    await store.insert(queue, [{ payload, id: "zzz" }]);
    expect(await store.lease([queue], { maxTasks: 1, leaseMs: 1000 })).toMatchObject([{ id: "zzz" }]);
    expect(dropped).toBe(spent);
  });

  test("insert() forgets the ids of finished tasks after tombstoneMs", async () => {
    const clock = manualClock();
    await using store = openMemoryStore({ clock, tombstoneMs: 1000 });
    await store.insert(queue, [{ payload, id: "a" }]);
    await store.delete(queue, [{ id: "a" }]);
    clock.advance(999);
    expect(await store.insert(queue, [{ payload, id: "a" }])).toMatchObject([{ ok: false }]);
    clock.advance(1);
    expect(await store.insert(queue, [{ payload, id: "a" }])).toMatchObject([{ ok: true }]);
  });

  test("lease() stays quick with a hundred thousand tasks of ten thousand tags", async () => {
    await using store = openMemoryStore();
    for (let batch = 0; batch < 100; batch++) {
      await store.insert(
        queue,
        Array.from({ length: 1000 }, (_, index) => ({ payload, tag: `${batch}-${index % 100}` })),
      );
    }
    const startedMs = performance.now();
    for (let round = 0; round < 1000; round++) {
      const tasks = await store.lease([queue], { ...lease, groupByTag: true });
      expect(tasks).toHaveLength(10);
      await store.delete(queue, tasks);
    }
    // A scan of all tasks would take minutes; this takes about 50 ms.
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });
});
