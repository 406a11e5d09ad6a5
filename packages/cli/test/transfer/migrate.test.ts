import { openTransferStore, systemClock, type TransferStore } from "@pullqueue/core";
import { temporaryFolder } from "@pullqueue/testing";
import { expect, test } from "vitest";
import { migrateQueue } from "../../src/transfer/migrate.js";

const queue = { project: "p", queue: "jobs" };
const lease = { maxTasks: 1, leaseMs: 60_000 };

/** The store, whose tasks are leased and given back just before they are removed for the first time. */
function leasedMeanwhile(store: TransferStore): TransferStore {
  let isFirst = true;
  const removeTasks: TransferStore["transfer"]["removeTasks"] = async (key, tasks, options) => {
    if (!isFirst) return store.transfer.removeTasks(key, tasks, options);
    isFirst = false;
    await store.resumeQueue(key);
    const [task] = await store.lease([key], lease);
    await store.pauseQueue(key);
    const changed = await store.transfer.removeTasks(key, tasks, options);
    await store.extend(key, [{ id: task!.id, retryCount: 1, leaseMs: 0 }]);
    return changed;
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === "transfer") return { ...target.transfer, removeTasks };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("migrateQueue() keeps a named task that was leased while it was copied, and moves it when it is given back", async () => {
  using folder = temporaryFolder();
  await using from = await openTransferStore(`sqlite:${folder.file("from.db")}`);
  await using to = await openTransferStore(`sqlite:${folder.file("to.db")}`);
  await from.insert(queue, [{ id: "named", payload: new Uint8Array([1]) }]);
  const counts = await migrateQueue(leasedMeanwhile(from), to, await from.getQueue(queue), {
    clock: systemClock(),
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  expect(counts.moved).toBe(1);
  expect(await to.transfer.exportTasks(queue)).toMatchObject([{ id: "named", retryCount: 1 }]);
  expect(await from.transfer.exportTasks(queue)).toEqual([]);
});

test("migrateQueue() takes back what an earlier run had copied of tasks that are held now", async () => {
  using folder = temporaryFolder();
  await using from = await openTransferStore(`sqlite:${folder.file("from.db")}`);
  await using to = await openTransferStore(`sqlite:${folder.file("to.db")}`);
  await from.insert(queue, [{ payload: new Uint8Array([1]) }]);
  await to.putQueue(queue, (await from.getQueue(queue)).settings);
  await to.transfer.importTasks(queue, await from.transfer.exportTasks(queue));
  const [held] = await from.lease([queue], lease);
  await migrateQueue(from, to, await from.getQueue(queue), {
    clock: systemClock(),
    signal: new AbortController().signal,
    onProgress: ({ leased }) => {
      if (leased > 0) void from.delete(queue, [{ id: held!.id, retryCount: 1 }]);
    },
  });
  expect(await to.transfer.exportTasks(queue)).toEqual([]);
});
