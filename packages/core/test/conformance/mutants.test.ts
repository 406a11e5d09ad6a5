import { test } from "vitest";
import { QueueError } from "../../src/errors.js";
import type { QueueKey, TaskWithPayload } from "../../src/task.js";
import { expectNoticed, type Mutant } from "../support/mutants.js";

/**
 * A suite that cannot fail proves nothing. Each of these stores breaks one promise, and the case that is there for it
 * must notice.
 */

const reversed = (tasks: readonly TaskWithPayload[]) => [...tasks].reverse();

const ORDER_AND_TIME: readonly Mutant[] = [
  [
    "does not sort what it leased",
    "lease() returns a mixed batch by eta, and equal etas by id",
    (inner) => ({ lease: async (...args) => reversed(await inner.lease(...args)) }),
  ],
  [
    "ends leases a microsecond early",
    "lease() ends exactly at its end, not a microsecond earlier",
    (inner) => ({
      lease: (queues, request, options) =>
        inner.lease(queues, { ...request, leaseMs: request.leaseMs - 0.001 }, options),
    }),
  ],
  [
    "ends leases a microsecond late",
    "lease() ends exactly at its end, not a microsecond earlier",
    (inner) => ({
      lease: (queues, request, options) =>
        inner.lease(queues, { ...request, leaseMs: request.leaseMs + 0.001 }, options),
    }),
  ],
  [
    "forgets delays",
    "insert() hides a task until its delay is over, to the microsecond",
    (inner) => ({
      insert: (queue, tasks) =>
        inner.insert(
          queue,
          tasks.map((task) => ({ ...task, delayMs: undefined })),
        ),
    }),
  ],
  [
    "gives each task its own end",
    "lease() gives all tasks of one call the same end",
    (inner) => ({
      lease: async (...args) =>
        (await inner.lease(...args)).map((task, index) => ({ ...task, etaUs: task.etaUs + index })),
    }),
  ],
  [
    "hands a task out twice",
    "lease() never gives one task to two of eight leasers",
    (inner) => {
      let last: TaskWithPayload | undefined;
      return {
        lease: async (...args) => {
          const tasks = await inner.lease(...args);
          const again = tasks.length > 0 && last !== undefined ? [...tasks, last] : tasks;
          last = tasks[0];
          return again;
        },
      };
    },
  ],
];

const FENCES: readonly Mutant[] = [
  [
    "renews whoever asks",
    "extend() refuses a late holder after somebody else has the task, and leaves that lease alone",
    (inner) => ({
      extend: (queue, leases) =>
        inner.extend(
          queue,
          leases.map(({ id, leaseMs }) => ({ id, leaseMs })),
        ),
    }),
  ],
  [
    "deletes for whoever asks",
    "delete() refuses a late holder after somebody else has the task, who can still delete it",
    (inner) => ({
      delete: (queue, targets) =>
        inner.delete(
          queue,
          targets.map(({ id }) => ({ id })),
        ),
    }),
  ],
  [
    "asks for the end although the count names the lease",
    "extend() by the count survives a renewal whose answer was lost",
    (inner) => ({
      extend: (queue, leases) =>
        inner.extend(
          queue,
          leases.map(({ retryCount, ...rest }) =>
            rest.leaseEndUs === undefined ? { retryCount, ...rest } : rest,
          ),
        ),
    }),
  ],
  [
    "counts what is given back uncounted",
    "lease() does not count leases that were given back uncounted",
    (inner) => ({
      extend: (queue, leases) =>
        inner.extend(
          queue,
          leases.map(({ uncounted: _, ...rest }) => rest),
        ),
    }),
  ],
  [
    "lets the count of leases fall",
    "extend() notes what is given back uncounted, and retryCount still never decreases",
    (inner) => ({
      lease: async (...args) =>
        (await inner.lease(...args)).map((task) => ({
          ...task,
          retryCount: task.retryCount - task.uncounted,
        })),
    }),
  ],
];

const CONTENT: readonly Mutant[] = [
  [
    "takes payloads for text",
    "insert() carries payloads bit for bit: empty, text, not UTF-8, every byte",
    (inner) => ({
      lease: async (...args) =>
        (await inner.lease(...args)).map((task) => ({
          ...task,
          payload: new TextEncoder().encode(new TextDecoder().decode(task.payload)),
        })),
    }),
  ],
  [
    "does not limit the bytes of a lease",
    "lease() stops before its payloads pass 1 MiB, and leaves the rest for the next",
    (inner) => ({
      lease: (queues, request, options) =>
        inner.lease(queues, { payloadBytesMax: 2 ** 25, ...request }, options),
    }),
  ],
  [
    "takes a repeated insert for a new one",
    "insert() repeated with its key gives the first task and adds none",
    (inner) => ({
      insert: (queue, tasks) =>
        inner.insert(
          queue,
          tasks.map(({ idempotencyKey: _, ...task }) => task),
        ),
    }),
  ],
  [
    "fails a batch for one bad item",
    "insert() refuses a bad item without failing its neighbours",
    (inner) => ({
      insert: async (...args) => {
        const results = await inner.insert(...args);
        for (const result of results) if (!result.ok) throw result.error;
        return results;
      },
    }),
  ],
  [
    "mixes tags",
    "lease() by the oldest task's tag takes all of that tag, wherever they stand",
    (inner) => ({
      lease: (queues, { maxTasks, leaseMs }) => inner.lease(queues, { maxTasks, leaseMs }),
    }),
  ],
  [
    "finds nothing where the oldest has no tag",
    "lease() by the oldest task's tag takes the untagged when that has none, as many as asked for",
    (inner) => ({
      lease: async (queues, request, options) => {
        const tasks = await inner.lease(queues, request, options);
        return request.groupByTag === true ? tasks.filter(({ tag }) => tag !== undefined) : tasks;
      },
    }),
  ],
  [
    "takes no tag for the empty one",
    "insert() keeps a tag of the most bytes, in whatever letters; no tag and the empty one are different",
    (inner) => ({
      lease: async (...args) =>
        (await inner.lease(...args)).map((task) => ({ ...task, tag: task.tag ?? "" })),
    }),
  ],
  [
    "pages by counting",
    "peek() misses and repeats nothing that stays, while others come and go between pages",
    (inner) => ({
      peek: async (queue, query) => {
        if ("id" in query) return inner.peek(queue, query);
        const { tasks } = await inner.peek(queue, { limit: 100 });
        const from = Number(query.pageToken ?? 0);
        const to = from + query.limit;
        const page = tasks.slice(from, to);
        return to < tasks.length ? { tasks: page, nextPageToken: String(to) } : { tasks: page };
      },
    }),
  ],
];

const LIFE: readonly Mutant[] = [
  [
    "never waits",
    "lease() that waits is woken by an insert",
    (inner) => ({
      lease: (queues, { waitMs: _, ...request }, options) => inner.lease(queues, request, options),
    }),
  ],
  [
    "goes on leasing for those who have gone",
    "lease() aborted while it waits throws the reason at once, and holds nothing that comes after",
    (inner) => ({
      lease: (queues, request, options) =>
        new Promise((resolve, reject) => {
          options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
          inner.lease(queues, request).then(resolve, reject);
        }),
    }),
  ],
  [
    "wraps the reason of an abort",
    "lease() with a signal that has fired throws its reason and leases nothing",
    (inner) => ({
      lease: (queues, request, options) =>
        inner.lease(queues, request, options).catch((cause: unknown) => {
          throw new Error("aborted", { cause });
        }),
    }),
  ],
  [
    "leases although the signal has fired",
    "lease() with a signal that has fired throws the reason and changes nothing",
    (inner) => ({ lease: (queues, request) => inner.lease(queues, { ...request, waitMs: 0 }) }),
  ],
  [
    "leaves listeners behind",
    "peek() leaves no listener on a signal that never fires",
    (inner) => ({
      peek: (queue, query, options) => {
        options?.signal?.addEventListener("abort", () => undefined);
        return inner.peek(queue, query, options);
      },
    }),
  ],
  [
    "always says that something came",
    "wait() resolves false when the time is up",
    () => ({ wait: async () => true }),
  ],
  [
    "closes only once",
    "close() is the same when called twice, and at once",
    (inner) => {
      let closed = false;
      return {
        close: async () => {
          if (closed) throw new QueueError("closed", "again");
          closed = true;
          await inner.close();
        },
      };
    },
  ],
  [
    "fails with another code after close",
    "insert() after close() fails with closed",
    (inner) => ({
      insert: (...args) =>
        inner.insert(...args).catch(() => {
          throw new QueueError("unavailable", "try again");
        }),
    }),
  ],
];

const QUEUES: readonly Mutant[] = [
  [
    "makes queues by looking at them",
    "no other method brings a queue into being: an unknown one is not found",
    (inner) => ({
      getQueue: async (queue, options) => {
        await inner.lease([queue], { maxTasks: 1, leaseMs: 0 });
        return inner.getQueue(queue, options);
      },
    }),
  ],
  [
    "does not tell projects apart",
    "every method keeps projects apart",
    (inner) => {
      const one = (queue: QueueKey) => ({ ...queue, project: "one" });
      return {
        insert: (queue, tasks) => inner.insert(one(queue), tasks),
        lease: (queues, request) => inner.lease(queues.map(one), request),
      };
    },
  ],
  [
    "decodes names twice",
    "every method keeps queues apart whatever their names",
    (inner) => {
      const decoded = (key: QueueKey) => ({ ...key, queue: key.queue.replace(/%2f/gi, "/") });
      return {
        insert: (queue, tasks) => inner.insert(decoded(queue), tasks),
        lease: (queues, request) => inner.lease(queues.map(decoded), request),
      };
    },
  ],
  [
    "counts only what is available",
    "getQueue() counts leased and delayed tasks into the total, and only takeable ones as available",
    (inner) => ({
      getQueue: async (queue, options) => {
        const { stats, ...info } = await inner.getQueue(queue, options);
        return stats === undefined
          ? info
          : { ...info, stats: { ...stats, totalTasks: stats.availableTasks } };
      },
    }),
  ],
  [
    "purges without saying how far it is",
    "purge() of many tasks tells how far it is, and ends with all of them",
    (inner) => ({ purge: (queue) => inner.purge(queue) }),
  ],
];

const MUTANTS = [...ORDER_AND_TIME, ...FENCES, ...CONTENT, ...LIFE, ...QUEUES];

test.each(MUTANTS)("storeSuite() notices a store that %s", async (_, sentence, breakage) => {
  await expectNoticed(sentence, breakage);
});
