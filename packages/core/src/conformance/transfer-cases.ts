import assert from "node:assert/strict";
import { LEASES_IMPORTED_MAX } from "../limits.js";
import type { QueueKey } from "../task.js";
import type { ExportedTask, QueueTransfer, TransferStore } from "../transfer.js";
import { ids, only, outcomes, rejectsWith, sameBytes, soleValue } from "./expect.js";
import {
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  leaseRequest,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_US,
  TRACE,
  textBytes,
} from "./samples.js";
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const moving = (run: CaseBody) => needing(["transfers"], run);

function transferOf({ store }: StoreUnderTest): QueueTransfer {
  return (store as TransferStore).transfer;
}

/** One task of every kind: given back, held, delayed, named, empty. */
async function fill({ store }: StoreUnderTest): Promise<void> {
  await store.putQueue(QUEUE, queueSettings({ retentionMs: LONG_MS * 10 }));
  await store.putQueue(OTHER_QUEUE, queueSettings());
  await insertAll(store, [{ tag: "é", ...TRACE }, {}]);
  const [first] = await lease(store);
  await store.extend(QUEUE, [{ id: first!.id, retryCount: 1, leaseMs: 0, uncounted: true }]);
  await insertAll(store, [
    { id: "named", payload: new Uint8Array([0, 255]) },
    { delayMs: LONG_MS, tag: "" },
    { payload: new Uint8Array() },
  ]);
}

/** All that must be the same in another queue. */
function portable({ queue: _queue, payload, ...task }: ExportedTask) {
  return { ...task, payload: Buffer.from(payload).toString("hex") };
}

async function totalsOf({ store }: StoreUnderTest, queue: QueueKey) {
  const { stats } = await store.getQueue(queue, { stats: true });
  return { tasks: stats?.totalTasks, bytes: stats?.payloadBytes };
}

/** Moving whole queues between stores: `QueueTransfer`. */
export const transferCases: Cases = {
  "exportTasks() gives tasks in order of their ids, and goes on after one": moving(async (sut) => {
    await fill(sut);
    const transfer = transferOf(sut);
    const all = await transfer.exportTasks(QUEUE);
    assert.equal(all.length, 5);
    assert.deepEqual(ids(all), [...ids(all)].sort());
    const rest = await transfer.exportTasks(QUEUE, { afterId: all[2]!.id });
    assert.deepEqual(ids(rest), ids(all).slice(3));
    assert.deepEqual(await transfer.exportTasks(QUEUE, { afterId: all[4]!.id }), []);
  }),

  "exportTasks() tells which tasks are held, were given back, and have chosen names": moving(async (sut) => {
    await fill(sut);
    const all = await transferOf(sut).exportTasks(QUEUE);
    assert.deepEqual(
      all.filter(({ isHeld }) => isHeld).map(({ retryCount }) => retryCount),
      [1],
    );
    assert.deepEqual(
      all.filter(({ givenBack }) => givenBack).map(({ tag, uncounted }) => [tag, uncounted]),
      [["é", 1]],
    );
    assert.deepEqual(ids(all.filter(({ named }) => named)), ["named"]);
    assert.ok(all.every(({ expiresAtUs }) => expiresAtUs !== undefined));
    sameBytes(all.find(({ id }) => id === "named")?.payload, new Uint8Array([0, 255]));
  }),

  "importTasks() brings tasks as they were exported, and counts them": moving(async (sut) => {
    await fill(sut);
    const transfer = transferOf(sut);
    const tasks = await transfer.exportTasks(QUEUE);
    assert.deepEqual(await transfer.importTasks(OTHER_QUEUE, tasks), { added: 5, present: 0 });
    assert.deepEqual((await transfer.exportTasks(OTHER_QUEUE)).map(portable), tasks.map(portable));
    assert.deepEqual(await totalsOf(sut, OTHER_QUEUE), await totalsOf(sut, QUEUE));
  }),

  "importTasks() leaves a lease with its holder, and ends it when it would have ended": moving(
    async (sut) => {
      const { store } = sut;
      await fill(sut);
      const transfer = transferOf(sut);
      const held = only((await transfer.exportTasks(QUEUE)).filter(({ isHeld }) => isHeld));
      await transfer.importTasks(OTHER_QUEUE, [held]);
      assert.deepEqual(await store.lease([OTHER_QUEUE], { maxTasks: 10, leaseMs: LONG_MS }), []);
      const fence = { id: held.id, retryCount: held.retryCount };
      const renewed = await store.extend(OTHER_QUEUE, [{ ...fence, leaseMs: 0 }]);
      assert.deepEqual(outcomes(renewed), ["ok"]);
      const again = only(await store.lease([OTHER_QUEUE], { maxTasks: 10, leaseMs: LONG_MS }));
      assert.equal(again.retryCount, held.retryCount + 1);
    },
  ),

  "importTasks() again adds nothing, and brings back nothing that was finished under a name": moving(
    async (sut) => {
      await fill(sut);
      const transfer = transferOf(sut);
      const tasks = await transfer.exportTasks(QUEUE);
      await transfer.importTasks(OTHER_QUEUE, tasks);
      assert.deepEqual(await transfer.importTasks(OTHER_QUEUE, tasks), { added: 0, present: 5 });
      assert.deepEqual(await totalsOf(sut, OTHER_QUEUE), await totalsOf(sut, QUEUE));
      await sut.store.delete(OTHER_QUEUE, [{ id: "named" }]);
      assert.deepEqual(await transfer.importTasks(OTHER_QUEUE, tasks), { added: 0, present: 5 });
      assert.equal((await transfer.exportTasks(OTHER_QUEUE)).length, 4);
    },
  ),

  "importTasks() keeps two tasks apart whose stores had made the same id for them, however often it is called":
    moving(async (sut) => {
      const transfer = transferOf(sut);
      await fill(sut);
      const task = (await transfer.exportTasks(QUEUE)).find(({ named }) => !named);
      const other = { ...task!, payload: new Uint8Array([1, 2, 3]) };
      const third = { ...other, payload: new Uint8Array([4]) };
      await transfer.importTasks(OTHER_QUEUE, [task!]);
      assert.deepEqual(await transfer.importTasks(OTHER_QUEUE, [other]), { added: 1, present: 0 });
      assert.deepEqual(await transfer.importTasks(OTHER_QUEUE, [third]), { added: 1, present: 0 });
      for (const again of [task!, other, third]) {
        assert.deepEqual(await transfer.importTasks(OTHER_QUEUE, [again]), { added: 0, present: 1 });
      }
      assert.equal((await transfer.exportTasks(OTHER_QUEUE)).length, 3);
    }),

  "importTasks() takes the largest counts, whose task can be leased and given back, and refuses larger ones":
    moving(async ({ store }) => {
      await insertOne(store, { id: "a" });
      const { transfer } = store as TransferStore;
      const task = only(await transfer.exportTasks(QUEUE));
      await store.putQueue(OTHER_QUEUE, queueSettings());
      const most = LEASES_IMPORTED_MAX;
      for (const wrong of [{ retryCount: most + 1 }, { uncounted: most + 1 }]) {
        await rejectsWith(transfer.importTasks(OTHER_QUEUE, [{ ...task, ...wrong }]), "invalid_argument");
      }
      await transfer.importTasks(OTHER_QUEUE, [{ ...task, retryCount: most, uncounted: most }]);
      const { id, retryCount } = only(await store.lease([OTHER_QUEUE], leaseRequest()));
      assert.equal(retryCount, most + 1);
      const givenBack = await store.extend(OTHER_QUEUE, [{ id, retryCount, leaseMs: 0, uncounted: true }]);
      assert.equal(soleValue(givenBack).uncounted, most + 1);
    }),

  "removeTasks() removes what is as it was exported, and gives the ids of the others": moving(async (sut) => {
    const { store } = sut;
    const [leased, deleted, kept] = await insertAll(store, [{}, {}, { id: "zz" }]);
    const transfer = transferOf(sut);
    const tasks = await transfer.exportTasks(QUEUE);
    assert.equal((await leaseOne(store, { maxTasks: 1 })).id, leased!.id);
    await store.delete(QUEUE, [{ id: deleted!.id }]);
    assert.deepEqual(await transfer.removeTasks(QUEUE, tasks), [leased!.id, deleted!.id]);
    assert.deepEqual(ids(await transfer.exportTasks(QUEUE)), [leased!.id]);
    assert.equal((await totalsOf(sut, QUEUE)).tasks, 1);
    assert.deepEqual(outcomes(await store.insert(QUEUE, [{ id: kept!.id, payload: textBytes("x") }])), [
      "already_exists",
    ]);
  }),

  "removeTasks() leaves a task whose count is above all that a store can hold": moving(async (sut) => {
    await insertAll(sut.store, [{ id: "a" }, { id: "b" }]);
    const transfer = transferOf(sut);
    const [a, b] = await transfer.exportTasks(QUEUE);
    assert.deepEqual(await transfer.removeTasks(QUEUE, [{ ...a!, retryCount: 2 ** 31 }, b!]), ["a"]);
    assert.deepEqual(ids(await transfer.exportTasks(QUEUE)), ["a"]);
  }),

  "withdrawTasks() takes tasks back whatever became of them, and their names can be imported again": moving(
    async (sut) => {
      const { store } = sut;
      await insertOne(store, { id: "a" });
      await insertOne(store, { id: "b" });
      const transfer = transferOf(sut);
      const tasks = await transfer.exportTasks(QUEUE);
      await leaseOne(store, { maxTasks: 1 });
      await transfer.withdrawTasks(QUEUE, ["a", "b", "never-there"]);
      assert.deepEqual(await totalsOf(sut, QUEUE), { tasks: 0, bytes: 0 });
      assert.deepEqual(await transfer.exportTombstones(QUEUE), []);
      assert.deepEqual(await transfer.importTasks(QUEUE, tasks), { added: 2, present: 0 });
    },
  ),

  "importTombstones() keeps names taken until the later of two ends": moving(async (sut) => {
    const { store } = sut;
    await store.putQueue(QUEUE, queueSettings());
    const transfer = transferOf(sut);
    const untilUs = sut.nowUs() + 3600 * SECOND_US;
    await transfer.importTombstones(QUEUE, [
      { id: "a", untilUs },
      { id: "b", untilUs },
    ]);
    await transfer.importTombstones(QUEUE, [
      { id: "a", untilUs: untilUs + 1 },
      { id: "b", untilUs: untilUs - 1 },
    ]);
    assert.deepEqual(await transfer.exportTombstones(QUEUE), [
      { id: "a", untilUs: untilUs + 1 },
      { id: "b", untilUs },
    ]);
    assert.deepEqual(ids(await transfer.exportTombstones(QUEUE, { afterId: "a" })), ["b"]);
    assert.deepEqual(outcomes(await store.insert(QUEUE, [{ id: "a", payload: textBytes("x") }])), [
      "already_exists",
    ]);
  }),

  "transfers refuse queues that are not there, and wrong arguments": moving(async (sut) => {
    await insertOne(sut.store);
    const transfer = transferOf(sut);
    const [task] = await transfer.exportTasks(QUEUE);
    const tombstone = { id: "a", untilUs: 1 };
    await rejectsWith(transfer.exportTasks(OTHER_QUEUE), "not_found");
    await rejectsWith(transfer.exportTombstones(OTHER_QUEUE), "not_found");
    await rejectsWith(transfer.importTasks(OTHER_QUEUE, [task!]), "not_found");
    await rejectsWith(transfer.removeTasks(OTHER_QUEUE, [task!]), "not_found");
    await rejectsWith(transfer.withdrawTasks(OTHER_QUEUE, ["a"]), "not_found");
    await rejectsWith(transfer.importTombstones(OTHER_QUEUE, [tombstone]), "not_found");
    for (const wrong of [{ id: "" }, { etaUs: -1 }, { retryCount: 0.5 }, { retryCount: 2 ** 31 }]) {
      await rejectsWith(transfer.importTasks(QUEUE, [{ ...task!, ...wrong }]), "invalid_argument");
    }
    await rejectsWith(transfer.withdrawTasks(QUEUE, [""]), "invalid_argument");
    await rejectsWith(
      transfer.importTombstones(QUEUE, [{ ...tombstone, untilUs: Number.NaN }]),
      "invalid_argument",
    );
    assert.equal((await transfer.exportTasks(QUEUE)).length, 1);
  }),

  "transfers fail after close()": moving(async (sut) => {
    const transfer = transferOf(sut);
    await sut.store.close();
    await rejectsWith(transfer.exportTasks(QUEUE), "closed");
  }),
};
