import { test } from "vitest";
import { QUEUE } from "../../src/conformance/samples.js";
import { isQueueError, QueueError } from "../../src/errors.js";
import { expectNoticed, type Mutant, settingsBecome } from "../support/mutants.js";

/** Stores that break a promise about the life of tasks and queues; the case that is there for it must notice. */

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
        await inner.purge(QUEUE);
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

const MUTANTS = [...TIME_MUTANTS, ...PAUSE_MUTANTS, ...COUNT_MUTANTS, ...LIMIT_MUTANTS, ...TRACE_MUTANTS];

test.each(MUTANTS)("storeSuite() notices a store that %s", async (_, sentence, breakage) => {
  await expectNoticed(sentence, breakage);
});
