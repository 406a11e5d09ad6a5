import { test } from "vitest";
import type { QueueTransfer, TransferStore } from "../../src/transfer.js";
import { type Breakage, expectNoticed, type Mutant } from "../support/mutants.js";
import { sqliteUnderTest } from "../support/store-under-test.js";

/** A store that breaks some of its transfer's promises. */
function transferBecomes(
  change: (inner: QueueTransfer, store: TransferStore) => Partial<QueueTransfer>,
): Breakage {
  return (inner) => {
    const store = inner as TransferStore;
    return { transfer: { ...store.transfer, ...change(store.transfer, store) } };
  };
}

/** Stores that break a promise about moving queues; the case that is there for it must notice. */
const MUTANTS: readonly Mutant[] = [
  [
    "begins every page at the start",
    "exportTasks() gives tasks in order of their ids, and goes on after one",
    transferBecomes((inner) => ({ exportTasks: (queue) => inner.exportTasks(queue) })),
  ],
  [
    "forgets who holds a task",
    "exportTasks() tells which tasks are held, were given back, and have chosen names",
    transferBecomes((inner) => ({
      exportTasks: async (queue) =>
        (await inner.exportTasks(queue)).map((task) => ({ ...task, isHeld: false })),
    })),
  ],
  [
    "starts the retention of tasks anew",
    "importTasks() brings tasks as they were exported, and counts them",
    transferBecomes((inner) => ({
      importTasks: (queue, tasks) =>
        inner.importTasks(
          queue,
          tasks.map((task) => ({ ...task, expiresAtUs: undefined })),
        ),
    })),
  ],
  [
    "ends the leases of what it imports",
    "importTasks() leaves a lease with its holder, and ends it when it would have ended",
    transferBecomes((inner) => ({
      importTasks: (queue, tasks) =>
        inner.importTasks(
          queue,
          tasks.map((task) => ({ ...task, retryCount: 0 })),
        ),
    })),
  ],
  [
    "brings back what was finished",
    "importTasks() again adds nothing, and brings back nothing that was finished under a name",
    transferBecomes((inner) => ({
      importTasks: async (queue, tasks) => {
        await inner.withdrawTasks(
          queue,
          tasks.map(({ id }) => id),
        );
        return inner.importTasks(queue, tasks);
      },
    })),
  ],
  [
    "removes tasks that others have leased since",
    "removeTasks() removes what is as it was exported, and gives the ids of the others",
    transferBecomes((inner) => ({
      removeTasks: async (queue) => inner.removeTasks(queue, await inner.exportTasks(queue)),
    })),
  ],
  [
    "buries what is taken back",
    "withdrawTasks() takes tasks back whatever became of them, and their names can be imported again",
    transferBecomes((_inner, store) => ({
      withdrawTasks: async (queue, ids) => {
        await store.delete(
          queue,
          ids.map((id) => ({ id })),
        );
      },
    })),
  ],
  [
    "ignores tombstones",
    "importTombstones() keeps names taken until the later of two ends",
    transferBecomes(() => ({ importTombstones: async () => {} })),
  ],
];

test.for(MUTANTS)("a store that %s is noticed", ([, sentence, breakage]) =>
  expectNoticed(sentence, breakage, sqliteUnderTest),
);
