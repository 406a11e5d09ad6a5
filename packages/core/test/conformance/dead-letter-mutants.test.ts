import { test } from "vitest";
import { DEAD_LETTERS } from "../../src/conformance/samples.js";
import { expectNoticed, type Mutant, settingsBecome } from "../support/mutants.js";

/** Stores that break a promise about dead letters; the case that is there for it must notice. */

const DEAD_LETTER_MUTANTS: readonly Mutant[] = [
  [
    "makes no dead-letter queue",
    "putQueue() makes the dead-letter queue that it names, and leaves one that is there",
    settingsBecome(() => ({ deadLetterQueue: undefined })),
  ],
  [
    "takes a queue for its own dead-letter queue",
    "putQueue() refuses a queue as its own dead-letter queue",
    (inner) => ({
      putQueue: (queue, settings) =>
        inner
          .putQueue(queue, settings)
          .catch(() => inner.putQueue(queue, { ...settings, deadLetterQueue: "x" })),
    }),
  ],
  [
    "drops what it should move",
    "lease() moves a task at its retry limit to the dead-letter queue, whole",
    (inner) => ({
      lease: async (...args) => {
        const tasks = await inner.lease(...args);
        await inner.purge(DEAD_LETTERS);
        return tasks;
      },
    }),
  ],
  [
    "forgets where a dead letter came from",
    "lease() notes of a dead letter where it came from, why, how often it was leased and when",
    (inner) => ({
      lease: async (...args) => (await inner.lease(...args)).map(({ deadLetter: _, ...task }) => task),
    }),
  ],
  [
    "goes on counting attempts after a move",
    "lease() of a dead letter counts on, and starts its attempts anew",
    settingsBecome(({ maxLeases }) => ({ maxLeases: maxLeases === 2 ? 1 : maxLeases })),
  ],
  [
    "counts leases from nothing after a move",
    "lease() of a dead letter counts on, and starts its attempts anew",
    (inner) => ({
      lease: async (...args) =>
        (await inner.lease(...args)).map((task) => ({
          ...task,
          retryCount: task.retryCount - (task.deadLetter?.retryCount ?? 0),
        })),
    }),
  ],
  [
    "lets an old holder delete a moved task",
    "extend() and delete() refuse a holder from before the move",
    (inner) => ({
      delete: (queue, targets) =>
        inner.delete(
          queue,
          targets.map(({ id }) => ({ id })),
        ),
    }),
  ],
  [
    "gives every moved task another id",
    "lease() moves a task under its own id, unless a task there has it",
    (inner) => ({
      peek: async (queue, query) => {
        const page = await inner.peek(queue, query);
        return { ...page, tasks: page.tasks.map((task) => ({ ...task, id: `${task.id}-moved` })) };
      },
    }),
  ],
  [
    "forgets the id of a moved task",
    "insert() finds an id taken where a task was before its move",
    settingsBecome(() => ({ tombstoneMs: 0 })),
  ],
  [
    "loses a task whose id is remembered in the dead-letter queue",
    "lease() moves a task although its id is remembered there",
    (inner) => ({
      lease: async (queues, request) =>
        (await inner.lease(queues, request)).filter(({ deadLetter }) => deadLetter?.id !== "named"),
    }),
  ],
  [
    "loses tasks when the dead-letter queue is gone",
    "lease() makes the dead-letter queue anew when it is gone",
    (inner) => ({
      deleteQueue: async (queue) => {
        await inner.deleteQueue(queue);
        const names = (await inner.listQueues(queue.project)).queues;
        for (const { key, settings } of names) {
          await inner.putQueue(key, { ...settings, deadLetterQueue: undefined });
        }
      },
    }),
  ],
  [
    "drops dead letters that have no room",
    "lease() moves tasks whatever the dead-letter queue may hold",
    (inner) => ({
      lease: async (...args) => {
        const tasks = await inner.lease(...args);
        const { settings } = await inner.getQueue(DEAD_LETTERS);
        if (settings.storageBytesMax === 0) await inner.purge(DEAD_LETTERS);
        return tasks;
      },
    }),
  ],
  [
    "keeps dead letters for ever in a circle",
    "lease() drops a dead letter at its limit, or moves it on where another queue is named",
    settingsBecome(({ deadLetterQueue }) =>
      deadLetterQueue === DEAD_LETTERS.queue ? {} : { deadLetterQueue: undefined },
    ),
  ],
  [
    "wakes nobody for a moved task",
    "lease() that waits for dead letters is woken by a move",
    (inner) => ({ lease: (queues, { waitMs: _, ...request }) => inner.lease(queues, request) }),
  ],
];

const REDRIVE_MUTANTS: readonly Mutant[] = [
  [
    "gives tasks back with their mark",
    "redrive() moves dead letters back under their ids, as ordinary tasks with attempts left",
    (inner) => ({
      lease: async (...args) =>
        (await inner.lease(...args)).map((task) => ({
          ...task,
          deadLetter: { queue: "q", id: task.id, reason: "retry_limit", retryCount: 1, atUs: 1 },
        })),
    }),
  ],
  [
    "takes dead letters from their holders",
    "redrive() leaves what is leased now to its holder",
    (inner) => ({
      redrive: async (queue, options) => {
        const { tasks } = await inner.peek(queue, { limit: 10 });
        await inner.extend(
          queue,
          tasks.map(({ id }) => ({ id, leaseMs: 0 })),
        );
        return inner.redrive(queue, options);
      },
    }),
  ],
  [
    "removes what it cannot move",
    "redrive() leaves what came from a queue that is gone",
    (inner) => ({
      redrive: async (queue) => {
        const moved = await inner.redrive(queue);
        await inner.purge(queue);
        return moved;
      },
    }),
  ],
  [
    "removes what came from nowhere",
    "redrive() leaves what came from nowhere",
    (inner) => ({
      redrive: async (queue) => {
        const moved = await inner.redrive(queue);
        await inner.purge(queue);
        return moved;
      },
    }),
  ],
  [
    "redrives without saying how far it is",
    "redrive() of many tells how far it is, and ends with all of them",
    (inner) => ({ redrive: (queue) => inner.redrive(queue) }),
  ],
  [
    "redrives on after an abort",
    "redrive() that is aborted throws the reason, and leaves what it had not moved",
    (inner) => ({
      redrive: (queue, { signal: _, ...options } = {}) => inner.redrive(queue, options),
    }),
  ],
];

test.each([...DEAD_LETTER_MUTANTS, ...REDRIVE_MUTANTS])(
  "storeSuite() notices a store that %s",
  async (_, sentence, breakage) => {
    await expectNoticed(sentence, breakage);
  },
);
