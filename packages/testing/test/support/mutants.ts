import {
  type HttpStore,
  type ItemResult,
  QueueError,
  type QueueKey,
  type QueueSettings,
  type Task,
  type TaskWithPayload,
} from "@pullqueue/core";
import type { Store } from "../../src/simulation/recorded-store.js";
import type { Breakage } from "../../src/simulation/world.js";

/** A promise broken on purpose, and what the simulation must say of it. */
export interface Mutant {
  readonly name: string;
  readonly breakage: Breakage;
  readonly complaint: RegExp;
}

/** The same store with other methods. */
function altered<S extends Store>(store: S, methods: Partial<Store>): S {
  const names = methods as Readonly<Record<string | symbol, unknown>>;
  return new Proxy(store, {
    get(target, name) {
      const own = names[name];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function inStore(name: string, complaint: RegExp, alter: (store: Store) => Partial<Store>): Mutant {
  return {
    name: `a store that ${name}`,
    complaint,
    breakage: { store: (store) => altered(store, alter(store)) },
  };
}

function inClient(name: string, complaint: RegExp, alter: (store: HttpStore) => Partial<Store>): Mutant {
  return {
    name: `a client that ${name}`,
    complaint,
    breakage: { client: (store) => altered(store, alter(store)) },
  };
}

/** True every so many times. */
function everyNth(n: number): () => boolean {
  let count = 0;
  return () => ++count % n === 0;
}

/** Nobody uses it, so that whoever waits for it sleeps. */
const IDLE_QUEUE: QueueKey = { project: "simulation", queue: "idle" };

function done<T>(value: T): ItemResult<T> {
  return { ok: true, value };
}

const STORE_MUTANTS: readonly Mutant[] = [
  inStore("deletes for late holders", /deleted by somebody who did not hold it/, (store) => ({
    delete: (queue, targets, options) =>
      store.delete(
        queue,
        targets.map(({ id }) => ({ id })),
        options,
      ),
  })),
  inStore("renews for whoever asks", /renewed by somebody who did not hold it/, (store) => ({
    extend: (queue, leases, options) =>
      store.extend(
        queue,
        leases.map(({ id, leaseMs, uncounted }) => ({ id, leaseMs, uncounted })),
        options,
      ),
  })),
  inStore("forgets idempotency keys", /published once and stored twice|refused as a duplicate/, (store) => ({
    insert: (queue, tasks, options) =>
      store.insert(
        queue,
        tasks.map(({ idempotencyKey: _, ...task }) => task),
        options,
      ),
  })),
  inStore("loses wake-ups", /sleeps beside it/, (store) => ({
    async lease(queues, { waitMs = 0, ...request }, options) {
      const tasks = await store.lease(queues, request, options);
      if (tasks.length > 0 || waitMs === 0) return tasks;
      await store.wait([IDLE_QUEUE], waitMs, options);
      return store.lease(queues, request, options);
    },
  })),
  inStore("counts what was not handed out", /uncounted leases|other counts/, (store) => ({
    extend: (queue, leases, options) =>
      store.extend(
        queue,
        leases.map(({ uncounted: _, ...lease }) => lease),
        options,
      ),
  })),
  inStore("hands a task out twice", /while it was held|after it was deleted/, (store) => {
    const isTurn = everyNth(5);
    let last: readonly TaskWithPayload[] = [];
    return {
      async lease(queues, request, options) {
        if (isTurn()) return last;
        last = await store.lease(queues, request, options);
        return last;
      },
    };
  }),
  inStore("says that it deleted, and does not", /after it was deleted|nobody|not there/, (store) => {
    const isTurn = everyNth(6);
    return {
      delete: async (queue, targets, options) =>
        isTurn() ? targets.map(() => done(undefined)) : store.delete(queue, targets, options),
    };
  }),
  inStore("says that it stored, and loses it", /nobody removed it/, (store) => {
    const isTurn = everyNth(8);
    return {
      async insert(queue, tasks, options) {
        const results = await store.insert(queue, tasks, options);
        const first = results[0];
        if (isTurn() && first?.ok === true) await store.delete(queue, [{ id: first.value.id }]);
        return results;
      },
    };
  }),
  inStore("answers in another order", /not in order/, (store) => ({
    lease: async (queues, request, options) => [...(await store.lease(queues, request, options))].reverse(),
  })),
  inStore("forgets delays", /late|before its eta/, (store) => ({
    insert: (queue, tasks, options) =>
      store.insert(
        queue,
        tasks.map(({ delayMs: _, ...task }) => task),
        options,
      ),
  })),
  inStore("knows no retry limit", /times, more than/, (store) => ({
    putQueue: (queue, settings, options) =>
      store.putQueue(queue, { ...settings, maxLeases: undefined }, options),
  })),
  inStore("drops tasks before their retry limit", /was dropped after/, (store) => ({
    putQueue: (queue, settings, options) =>
      store.putQueue(
        queue,
        {
          ...settings,
          maxLeases: settings.maxLeases === undefined ? undefined : settings.maxLeases - 1 || 1,
        },
        options,
      ),
  })),
  inStore("lets leases end early", /was refused|while it was held|shown otherwise/, (store) => ({
    async lease(queues, request, options) {
      const tasks = await store.lease(queues, { ...request, leaseMs: request.leaseMs / 2 }, options);
      return tasks.map((task) => ({ ...task, etaUs: task.etaUs + Math.round(request.leaseMs * 500) }));
    },
  })),
  inStore("counts leases anew", /from lease \d+ to lease 1/, (store) => ({
    async lease(queues, request, options) {
      const tasks = await store.lease(queues, request, options);
      return tasks.map((task) => ({ ...task, retryCount: 1 }));
    },
  })),
  inStore("refuses holders", /the holder of .* was refused/, (store) => {
    const isTurn = everyNth(5);
    const refusal = { ok: false, error: new QueueError("lease_lost", "no") } as const;
    return {
      extend: async (queue, leases, options) =>
        isTurn() ? leases.map((): ItemResult<Task> => refusal) : store.extend(queue, leases, options),
    };
  }),
  inStore("counts wrongly", /shows totalTasks/, (store) => {
    const isTurn = everyNth(3);
    return {
      async getQueue(queue, options) {
        const info = await store.getQueue(queue, options);
        if (info.stats === undefined || !isTurn()) return info;
        return { ...info, stats: { ...info.stats, totalTasks: info.stats.totalTasks + 1 } };
      },
    };
  }),
  inStore("keeps what it purges", /after it was purged|not there/, (store) => ({
    purge: async (queue, options) => (await store.peek(queue, { limit: 100 }, options)).tasks.length,
  })),
];

/** Settings are stored otherwise than they were given. */
function storing(
  name: string,
  complaint: RegExp,
  change: (settings: QueueSettings) => Partial<QueueSettings>,
): Mutant {
  return inStore(name, complaint, (store) => ({
    putQueue: (queue, settings, options) =>
      store.putQueue(queue, { ...settings, ...change(settings) }, options),
  }));
}

const LIFE_MUTANTS: readonly Mutant[] = [
  inStore("does not pause", /by a paused queue/, (store) => ({
    pauseQueue: (queue, options) => store.getQueue(queue, options),
  })),
  inStore("never resumes", /cannot be emptied|sleeps beside it/, (store) => ({
    resumeQueue: (queue, options) => store.getQueue(queue, options),
  })),
  inStore("sends dead letters back twice", /that is not there|a stranger was handed out/, (store) => ({
    async redrive(queue, options) {
      for (const { id, deadLetter } of (await store.peek(queue, { limit: 100 })).tasks) {
        const [task] = (await store.peek(queue, { id })).tasks;
        if (deadLetter === undefined || task === undefined) continue;
        await store.insert({ ...queue, queue: deadLetter.queue }, [
          { payload: task.payload ?? new Uint8Array() },
        ]);
      }
      return store.redrive(queue, options);
    },
  })),
  inStore(
    "loses what it sends back",
    /nobody removed it|cannot be emptied|sleeps beside it|was answered not_found/,
    (store) => ({
      redrive: (queue, options) => store.purge(queue, options),
    }),
  ),
  inStore(
    "leaves dead letters where they are",
    /nobody removed it|after it was moved|not there|sleeps beside it/,
    (store) => ({
      redrive: async (queue, options) => (await store.peek(queue, { limit: 100 }, options)).tasks.length,
    }),
  ),
  storing("drops what should become a dead letter", /although its queue has one/, () => ({
    deadLetterQueue: undefined,
  })),
  storing("knows no retention", /after its retention/, () => ({ retentionMs: undefined })),
  storing("ends retention early", /before its retention was over/, ({ retentionMs }) => ({
    retentionMs: retentionMs === undefined ? undefined : retentionMs / 2,
  })),
  storing("knows no rate", /leases through in a second/, () => ({ leasesPerSecond: undefined })),
  storing("knows no storage limit", /took \d+ bytes/, () => ({ storageBytesMax: undefined })),
];

const CLIENT_MUTANTS: readonly Mutant[] = [
  // With an id of its own the second is a duplicate.
  inClient("publishes again under a new key", /stored twice|refused as a duplicate/, (store) => ({
    insert: (queue, tasks, options) =>
      store
        .insert(
          queue,
          tasks.map(({ idempotencyKey: _, ...task }) => task),
          options,
        )
        .catch(() =>
          store.insert(
            queue,
            tasks.map(({ idempotencyKey: _, ...task }) => task),
            options,
          ),
        ),
  })),
  inClient("takes a lost lease for done", /was told that it is done/, (store) => ({
    async delete(queue, targets, options) {
      const results = await store.delete(queue, targets, options);
      return results.map((result) =>
        result.ok || result.error.code === "lease_lost" ? done(undefined) : result,
      );
    },
  })),
  inClient("acknowledges without asking", /was told that it is done/, () => ({
    delete: async (_queue, targets) => targets.map(() => done(undefined)),
  })),
  inClient("leaves leased what it gave up", /stays leased after an abort|cannot be emptied/, (store) => ({
    lease: (queues, request, { signal } = {}) =>
      Promise.race([
        store.lease(queues, request),
        new Promise<never>((_, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason as Error));
        }),
      ]),
  })),
  inClient("gives up a lease whose renewal was unclear", /is lost, and it is not/, (store) => ({
    extend: (queue, leases, options) =>
      store
        .extend(queue, leases, options)
        .catch(() =>
          leases.map((): ItemResult<Task> => ({ ok: false, error: new QueueError("lease_lost", "no") })),
        ),
  })),
  inClient("says published before it is", /acknowledged and never stored/, (store) => ({
    insert: (queue, tasks, options) =>
      store.insert(queue, tasks, options).catch(() =>
        tasks.map((task) =>
          done<Task>({
            ...{ queue, id: "none", tag: task.tag, enqueuedAtUs: 0, etaUs: 0 },
            ...{ retryCount: 0, uncounted: 0 },
          }),
        ),
      ),
  })),
];

/** Every promise of the laws, broken once. */
export const MUTANTS: readonly Mutant[] = [...STORE_MUTANTS, ...LIFE_MUTANTS, ...CLIENT_MUTANTS];
