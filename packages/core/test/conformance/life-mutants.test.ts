import { test } from "vitest";
import { DEAD_LETTERS } from "../../src/conformance/samples.js";
import { isQueueError, QueueError } from "../../src/errors.js";
import type { QueueSettings } from "../../src/task.js";
import { type Breakage, expectNoticed, type Mutant } from "../support/mutants.js";

/** Stores that break a promise about the life of tasks and queues; the case that is there for it must notice. */

/** A store that leaves out, or changes, some settings. */
function settingsBecome(change: (settings: QueueSettings) => Partial<QueueSettings>): Breakage {
  return (inner) => ({
    putQueue: (queue, settings, options) =>
      inner.putQueue(queue, { ...settings, ...change(settings) }, options),
  });
}

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

const TIME_MUTANTS: readonly Mutant[] = [
  [
    "keeps tasks for ever",
    "lease() gives a task until its retention is over, and then drops it",
    settingsBecome(() => ({ retentionMs: undefined })),
  ],
  [
    "drops tasks a millisecond early",
    "lease() gives a task to the last microsecond of its retention",
    settingsBecome(({ retentionMs }) => ({ retentionMs: (retentionMs ?? 2) - 1 })),
  ],
  [
    "takes expired tasks from their holders",
    "lease() before the end lets its holder finish after it",
    (inner) => ({
      sweep: async () => {
        await inner.purge({ project: "conformance", queue: "queue" });
        return { expiredTasks: 1, deadLetteredTasks: 0 };
      },
    }),
  ],
  [
    "changes the retention of tasks that are there",
    "lease() goes by the retention that was set when the task came",
    (inner) => ({
      putQueue: async (queue, settings) => {
        const info = await inner.putQueue(queue, settings);
        if (settings.retentionMs !== undefined) await inner.purge(queue);
        return info;
      },
    }),
  ],
  [
    "never sweeps",
    "sweep() removes tasks past their retention, delayed ones too, and says how many",
    () => ({ sweep: async () => ({ expiredTasks: 0, deadLetteredTasks: 0 }) }),
  ],
  [
    "takes moved tasks for removed ones",
    "sweep() moves them where a dead-letter queue is named",
    (inner) => ({
      sweep: async () => {
        const { deadLetteredTasks } = await inner.sweep();
        return { expiredTasks: deadLetteredTasks, deadLetteredTasks: 0 };
      },
    }),
  ],
];

const PAUSE_MUTANTS: readonly Mutant[] = [
  [
    "hands out what is in a paused queue",
    "pauseQueue() makes leases find nothing, while tasks come in, until resumeQueue()",
    (inner) => ({ pauseQueue: async (queue) => ({ ...(await inner.getQueue(queue)), paused: true }) }),
  ],
  [
    "takes tasks from their holders when paused",
    "pauseQueue() leaves tasks to those who hold them: renewals, releases and deletes go on",
    (inner) => ({
      pauseQueue: async (queue) => {
        await inner.purge(queue);
        return inner.pauseQueue(queue);
      },
    }),
  ],
  [
    "takes a pause for a setting",
    "putQueue() leaves a pause as it is",
    (inner) => ({
      putQueue: async (queue, settings) => {
        await inner.putQueue(queue, settings);
        return inner.resumeQueue(queue);
      },
    }),
  ],
  [
    "ends leases that wait for a paused queue",
    "lease() that waits goes on waiting in a paused queue, and is woken when it goes on",
    (inner) => ({
      lease: async (queues, request) => {
        const info = await inner.getQueue(queues[0]!);
        return inner.lease(queues, info.paused ? { ...request, waitMs: 0 } : request);
      },
    }),
  ],
  [
    "finds nothing anywhere when one queue is paused",
    "lease() of several queues passes over paused ones",
    (inner) => ({
      lease: async (queues, request) => {
        const infos = await Promise.all(queues.map((queue) => inner.getQueue(queue)));
        return infos.some(({ paused }) => paused) ? [] : inner.lease(queues, request);
      },
    }),
  ],
];

const COUNT_MUTANTS: readonly Mutant[] = [
  [
    "lists the untagged last",
    "tagStats() counts tasks by tag in order, those without one first, and tells the empty tag from none",
    (inner) => ({
      tagStats: async (...args) => {
        const page = await inner.tagStats(...args);
        return { ...page, tags: [...page.tags.slice(1), ...page.tags.slice(0, 1)] };
      },
    }),
  ],
  [
    "counts leased tasks as available",
    "tagStats() counts leased and delayed tasks into the total, and only takeable ones as available",
    (inner) => ({
      tagStats: async (...args) => {
        const { tags } = await inner.tagStats(...args);
        return { tags: tags.map((stats) => ({ ...stats, availableTasks: stats.totalTasks })) };
      },
    }),
  ],
  [
    "ends counting by tag after the first page",
    "tagStats() gives pages that miss and repeat nothing",
    (inner) => ({ tagStats: async (...args) => ({ tags: (await inner.tagStats(...args)).tags }) }),
  ],
  [
    "purges everything when asked for a tag",
    "purge() of a tag removes its tasks alone, leased ones too",
    (inner) => ({ purge: (queue) => inner.purge(queue) }),
  ],
  [
    "takes no tag for the empty one when purging",
    "purge() of the untagged leaves the empty tag, and the other way round",
    (inner) => ({
      purge: (queue, { only } = {}) => inner.purge(queue, { only: only && { tag: only.tag ?? "" } }),
    }),
  ],
];

const LIMIT_MUTANTS: readonly Mutant[] = [
  [
    "has no rate",
    "lease() past its queue's rate finds nothing, and no error",
    settingsBecome(() => ({ leasesPerSecond: undefined })),
  ],
  [
    "refuses with an error past its rate",
    "lease() past its queue's rate finds nothing, and no error",
    (inner) => ({
      lease: async (...args) => {
        const tasks = await inner.lease(...args);
        if (tasks.length === 0) throw new QueueError("resource_exhausted", "too many leases");
        return tasks;
      },
    }),
  ],
  [
    "lets one lease too few through",
    "lease() is let through as often as a second's worth says, and again as time goes by",
    settingsBecome(() => ({ leasesPerSecond: 9 })),
  ],
  [
    "leaves those who wait for the rate waiting in vain",
    "lease() that waits is let through as soon as the rate allows",
    (inner) => ({ lease: (queues, { waitMs: _, ...request }) => inner.lease(queues, request) }),
  ],
  [
    "holds everything up for one queue past its rate",
    "lease() of several queues passes over one past its rate, and serves the others",
    (inner) => ({
      lease: async (queues, request) => (queues.length > 1 ? [] : inner.lease(queues, request)),
    }),
  ],
  [
    "holds whatever comes",
    "insert() past what a queue may hold fails with resource_exhausted, item by item",
    settingsBecome(() => ({ storageBytesMax: undefined })),
  ],
  [
    "holds a little more at a time",
    "insert() at the same time fills a queue to its last byte, and no further",
    settingsBecome(() => ({ storageBytesMax: 27 })),
  ],
  [
    "never finds room again",
    "insert() finds room again when tasks are gone",
    settingsBecome(() => ({ storageBytesMax: 9 })),
  ],
  [
    "asks for room before it asks for the key",
    "insert() repeated with its key gives the first task although the queue is full",
    (inner) => ({
      insert: async (queue, tasks) =>
        inner.insert(
          queue,
          tasks.map(({ idempotencyKey: _, ...task }) => task),
        ),
    }),
  ],
  [
    "forgets its limits",
    "putQueue() keeps all limits of a queue, and replaces all of them",
    settingsBecome(() => ({ tombstoneMs: undefined })),
  ],
  [
    "forgets ids at once",
    "putQueue() says how long ids stay taken in this queue",
    settingsBecome(() => ({ tombstoneMs: 0 })),
  ],
];

const TRACE_MUTANTS: readonly Mutant[] = [
  [
    "drops the trace context on renewals",
    "insert() keeps the trace context, and every answer hands it back",
    (inner) => ({
      extend: async (...args) =>
        (await inner.extend(...args)).map((result) =>
          result.ok ? { ok: true, value: { ...result.value, traceparent: undefined } } : result,
        ),
    }),
  ],
  [
    "takes any text for a trace context",
    "insert() refuses a trace context that is none, item by item",
    (inner) => ({
      insert: async (queue, tasks) => {
        const results = await inner.insert(queue, tasks);
        const refused = results.some((result) => !result.ok && isQueueError(result.error));
        if (!refused) return results;
        return inner.insert(
          queue,
          tasks.map(({ payload }) => ({ payload })),
        );
      },
    }),
  ],
];

const MUTANTS = [
  ...DEAD_LETTER_MUTANTS,
  ...REDRIVE_MUTANTS,
  ...TIME_MUTANTS,
  ...PAUSE_MUTANTS,
  ...COUNT_MUTANTS,
  ...LIMIT_MUTANTS,
  ...TRACE_MUTANTS,
];

test.each(MUTANTS)("storeSuite() notices a store that %s", async (_, sentence, breakage) => {
  await expectNoticed(sentence, breakage);
});
