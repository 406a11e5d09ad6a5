import { isMissing } from "@pullqueue/testing";
import { dropSchemas } from "@pullqueue/testing/postgres-under-test";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { StoreFactory, StoreUnderTest } from "../../src/conformance/index.js";
import { GENERATED_ID_PATTERN } from "../../src/limits.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import {
  DEFAULT_QUEUE_SETTINGS,
  type ItemResult,
  type LeaseFence,
  type NewTask,
  type TagFilter,
} from "../../src/task.js";
import { postgresWithManualClock } from "../support/postgres.js";
import { type ModelTask, type NewId, StoreModel } from "../support/store-model.js";
import { memoryUnderTest, sqliteUnderTest } from "../support/store-under-test.js";

/**
 * Random sequences of commands, on a store and on the model. After each, both must have answered the same and hold the
 * same tasks. A failure prints its seed and the shortest sequence that fast-check finds.
 */

const KEYS = {
  main: { project: "model", queue: "main" },
  dead: { project: "model", queue: "dead" },
} as const;

/** Tasks of the first queue go to the second when they are given up; those of the second are dropped. */
const MAIN = { maxLeases: 3, retentionMs: 6_000, storageBytesMax: 9 };
const DEAD = { maxLeases: 2, retentionMs: undefined, storageBytesMax: Number.POSITIVE_INFINITY };
const payload = Uint8Array.from([1]);

type FenceKind = "count" | "end" | "both" | "none";
type QueueName = keyof typeof KEYS;

/** A command is plain data, so that a failing sequence can be read and shortened. `which` picks a lease or a task. */
type Command = { readonly on: QueueName } & (
  | { readonly do: "insert"; readonly tasks: readonly NewTask[] }
  | {
      readonly do: "lease";
      readonly maxTasks: number;
      readonly leaseMs: number;
      readonly groupByTag: boolean;
      readonly tag: string | undefined;
    }
  | { readonly do: "extend"; readonly which: number; readonly fence: FenceKind; readonly leaseMs: number }
  | { readonly do: "release"; readonly which: number; readonly fence: FenceKind; readonly uncounted: boolean }
  | { readonly do: "delete"; readonly which: number; readonly fence: FenceKind }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "purge"; readonly only: TagFilter | undefined }
  | { readonly do: "pause" | "resume" | "sweep" | "redrive" }
);

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const seconds = (max: number) => fc.integer({ min: 0, max }).map((count) => count * 1_000);
const which = fc.nat(50);
const fence = fc.constantFrom<FenceKind>("count", "end", "both", "none");
const tag = optional(fc.constantFrom("x", "y"));

const newTask: fc.Arbitrary<NewTask> = fc.record({
  payload: fc.constant(payload),
  id: optional(fc.constantFrom("a", "b", "c", "d")),
  tag,
  delayMs: optional(seconds(4)),
  idempotencyKey: optional(fc.constantFrom("k", "l")),
});

const lease = fc
  .record({
    maxTasks: fc.integer({ min: 1, max: 4 }),
    leaseMs: seconds(4),
    groupByTag: fc.boolean(),
    tag,
  })
  .map((request) => ({ ...request, tag: request.groupByTag ? request.tag : undefined }));

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("insert" as const), tasks: fc.array(newTask, { maxLength: 3 }) }),
  },
  { weight: 5, arbitrary: lease.map((request) => ({ do: "lease" as const, ...request })) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("extend" as const), which, fence, leaseMs: seconds(4) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("release" as const), which, fence, uncounted: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), which, fence }) },
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 10 }).map((n) => ({ do: "advance" as const, ms: n * 500 })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("purge" as const), only: optional(fc.record({ tag })) }),
  },
  { weight: 3, arbitrary: fc.constantFrom("pause", "resume", "resume", "sweep", "redrive", "redrive") },
);

/** Most of it happens in the first queue. */
const command: fc.Arbitrary<Command> = fc
  .tuple(action, fc.constantFrom<QueueName>("main", "main", "dead"))
  .map(([chosen, on]) => ({ on, ...(typeof chosen === "string" ? { do: chosen } : chosen) }));

/** Long enough to reach the retry limit, short enough to end before idempotency keys are forgotten. */
const sequence = fc.array(fc.tuple(command, fc.boolean()), { maxLength: 60, size: "max" });

interface KnownLease {
  readonly id: string;
  readonly retryCount: number;
  readonly etaUs: number;
}

/** A store and the model beside it, with all leases ever given. */
class Comparison {
  readonly #sut: StoreUnderTest;
  readonly #handles: readonly (QueueStore & QueueAdmin)[];
  readonly #models: Readonly<Record<QueueName, StoreModel>>;
  readonly #leases: Readonly<Record<QueueName, KnownLease[]>> = { main: [], dead: [] };

  static async begin(sut: StoreUnderTest): Promise<Comparison> {
    const settings = { ...DEFAULT_QUEUE_SETTINGS, ...MAIN, deadLetterQueue: KEYS.dead.queue };
    await sut.store.putQueue(KEYS.main, settings);
    await sut.store.putQueue(KEYS.dead, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: DEAD.maxLeases });
    return new Comparison(sut, [sut.store, await sut.another()]);
  }

  private constructor(sut: StoreUnderTest, handles: readonly (QueueStore & QueueAdmin)[]) {
    this.#sut = sut;
    this.#handles = handles;
    const dead = new StoreModel({ ...DEAD, deadLetters: undefined });
    this.#models = { dead, main: new StoreModel({ ...MAIN, deadLetters: dead }) };
  }

  async run(step: Command, other: boolean): Promise<void> {
    const store = this.#handles[other ? 1 : 0]!;
    await this.#apply(step, store);
    for (const on of ["main", "dead"] as const) await this.#compare(on, store);
  }

  async #apply(step: Command, store: QueueStore & QueueAdmin): Promise<void> {
    const { on } = step;
    const queue = KEYS[on];
    const model = this.#models[on];
    const nowUs = this.#sut.nowUs();
    switch (step.do) {
      case "insert":
        return this.#insert(on, step.tasks, store);
      case "lease": {
        const { do: _, on: __, ...request } = step;
        const leased = await store.lease([queue], request);
        const expected = model.lease(request, nowUs, await this.#newIds("dead", store));
        expect(leased.map(plain)).toEqual(expected.map(plain));
        this.#leases[on].push(...leased);
        return;
      }
      case "extend":
      case "release":
        return this.#extend(step, store);
      case "delete": {
        const named = this.#fence(step);
        if (named === undefined) return;
        const [result] = await store.delete(queue, [named]);
        expect(outcomeOf(result)).toBe(model.delete(named, nowUs));
        return;
      }
      case "advance":
        return this.#sut.advance(step.ms);
      case "purge":
        expect(await store.purge(queue, { only: step.only })).toBe(model.purge(step.only));
        return;
      case "pause":
      case "resume": {
        model.paused = step.do === "pause";
        const info = await (step.do === "pause" ? store.pauseQueue(queue) : store.resumeQueue(queue));
        expect(info.paused).toBe(model.paused);
        return;
      }
      case "sweep": {
        const { expiredTasks, deadLetteredTasks } = await store.sweep();
        const expected = this.#models.main.sweep(nowUs, await this.#newIds("dead", store));
        expect([expiredTasks, deadLetteredTasks]).toEqual([0, expected]);
        return;
      }
      case "redrive": {
        const moved = await store.redrive(KEYS.dead);
        const newId = await this.#newIds("main", store);
        expect(moved).toBe(this.#models.dead.redriveTo(this.#models.main, nowUs, newId));
      }
    }
  }

  async #insert(on: QueueName, tasks: readonly NewTask[], store: QueueStore): Promise<void> {
    const model = this.#models[on];
    const results = await store.insert(KEYS[on], tasks);
    expect(results.length).toBe(tasks.length);
    for (const [index, task] of tasks.entries()) {
      const { outcome, repeats } = model.insertOutcome(task);
      const result = results[index]!;
      expect(outcomeOf(result)).toBe(outcome);
      if (!result.ok) continue;
      if (repeats === undefined) model.inserted(task, result.value.id, this.#sut.nowUs());
      else expect(result.value.id).toBe(repeats);
    }
  }

  async #extend(
    step: Extract<Command, { readonly do: "extend" | "release" }>,
    store: QueueStore,
  ): Promise<void> {
    const named = this.#fence(step);
    if (named === undefined) return;
    const renewal =
      step.do === "extend"
        ? { ...named, leaseMs: step.leaseMs }
        : { ...named, leaseMs: 0, uncounted: step.uncounted };
    const [result] = await store.extend(KEYS[step.on], [renewal]);
    expect(outcomeOf(result)).toBe(this.#models[step.on].extend(renewal, this.#sut.nowUs()));
    if (result?.ok === true) this.#leases[step.on].push(result.value);
  }

  /** The ids that the store made for tasks that came into a queue and could not keep theirs. */
  async #newIds(on: QueueName, store: QueueStore): Promise<NewId> {
    const { tasks } = await store.peek(KEYS[on], { limit: 100 });
    const model = this.#models[on];
    const used = new Set(model.tasks.map(({ id }) => id));
    return (moved) => {
      const found = tasks.find(
        (task) =>
          !used.has(task.id) &&
          GENERATED_ID_PATTERN.test(task.id) &&
          task.tag === moved.tag &&
          task.retryCount === moved.retryCount &&
          task.deadLetter?.id === moved.deadLetter?.id,
      );
      expect(found, `a task that took the place of ${moved.id}`).toBeDefined();
      used.add(found!.id);
      return found!.id;
    };
  }

  #fence(step: {
    readonly on: QueueName;
    readonly which: number;
    readonly fence: FenceKind;
  }): LeaseFence | undefined {
    // Past and present leases, those from before a move too, and tasks that may never have been leased.
    const candidates = [
      ...this.#leases[step.on],
      ...(step.which % 5 === 0 ? this.#leases.main : []),
      ...this.#models[step.on].tasks,
    ];
    const held = candidates[step.which % Math.max(1, candidates.length)];
    if (held === undefined) return undefined;
    const { id, retryCount, etaUs } = held;
    return {
      id,
      ...(step.fence === "count" || step.fence === "both" ? { retryCount } : {}),
      ...(step.fence === "end" || step.fence === "both" ? { leaseEndUs: etaUs } : {}),
    };
  }

  /** Both must hold the same tasks, and the counts must be those of the tasks. */
  async #compare(on: QueueName, store: QueueStore & QueueAdmin): Promise<void> {
    const { tasks, paused } = this.#models[on];
    const nowUs = this.#sut.nowUs();
    const page = await store.peek(KEYS[on], { limit: 100 });
    expect(page.tasks.map(plain)).toEqual(tasks.slice(0, 100).map(plain));
    const info = await store.getQueue(KEYS[on], { stats: true });
    expect(info).toMatchObject({
      paused,
      stats: {
        totalTasks: tasks.length,
        availableTasks: tasks.filter(({ etaUs }) => etaUs <= nowUs).length,
        leasedTasks: tasks.filter(({ etaUs, retryCount }) => retryCount > 0 && etaUs > nowUs).length,
        oldestEtaUs: tasks[0]?.etaUs,
        payloadBytes: tasks.length,
      },
    });
    const { tags } = await store.tagStats(KEYS[on]);
    expect(tags.map(({ tag: name, totalTasks }) => [name, totalTasks])).toEqual(
      [undefined, "x", "y"]
        .map((name) => [name, tasks.filter((task) => task.tag === name).length] as const)
        .filter(([, count]) => count > 0),
    );
  }
}

type Comparable = Pick<ModelTask, "id" | "tag" | "etaUs" | "retryCount" | "uncounted"> & {
  readonly deadLetter?: ModelTask["deadLetter"];
};

function plain({ id, tag: name, etaUs, retryCount, uncounted, deadLetter }: Comparable) {
  const origin = deadLetter === undefined ? undefined : { id: deadLetter.id, reason: deadLetter.reason };
  return { id, tag: name, etaUs, retryCount, uncounted, deadLetter: origin };
}

function outcomeOf(result: ItemResult<unknown> | undefined) {
  return result?.ok === true ? "ok" : result?.error.code;
}

/** How long one sequence may take, in milliseconds: on an idle machine a second at most. */
const RUN_MS = 20_000;

/** How long all of them may take, and making a failure shorter, in milliseconds. */
const COMPARISON_MS = 50_000;

/** Runs sequences on fresh stores; `seed` undefined takes one that was never tried. */
async function compareWithModel(factory: StoreFactory, numRuns: number, seed?: number): Promise<void> {
  const property = fc.asyncProperty(sequence, async (steps) => {
    const sut = await factory();
    try {
      const comparison = await Comparison.begin(sut);
      for (const [step, other] of steps) await comparison.run(step, other);
    } finally {
      await sut.close();
    }
  });
  await fc.assert(property, {
    numRuns,
    ...(seed === undefined ? {} : { seed }),
    // Ends before the test runs out of time, so that the seed is told, also of a sequence that hangs.
    timeout: RUN_MS,
    interruptAfterTimeLimit: COMPARISON_MS,
    markInterruptAsFailure: true,
  });
}

afterAll(dropSchemas);

describe.each([
  ["memory", memoryUnderTest, 400],
  ["SQLite", sqliteUnderTest, 40],
  ...(isMissing("postgres") ? [] : ([["PostgreSQL", postgresWithManualClock, 8]] as const)),
] as const)("the %s store", { timeout: COMPARISON_MS + RUN_MS }, (_, factory, numRuns) => {
  test("answers and holds what the model does, over the same sequences each time", async () => {
    await compareWithModel(factory, numRuns, 20_180_220);
  });

  test("answers and holds what the model does, over fresh sequences", async () => {
    await compareWithModel(factory, numRuns / 4);
  });
});
