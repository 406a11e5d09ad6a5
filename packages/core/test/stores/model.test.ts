import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StoreFactory, StoreUnderTest } from "../../src/conformance/index.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import { DEFAULT_QUEUE_SETTINGS, type ItemResult, type LeaseFence, type NewTask } from "../../src/task.js";
import { StoreModel } from "../support/store-model.js";
import { memoryUnderTest, sqliteUnderTest } from "../support/store-under-test.js";

/**
 * Random sequences of commands, on a store and on the model. After each, both must have answered the same and hold the
 * same tasks. A failure prints its seed and the shortest sequence that fast-check finds.
 */

const queue = { project: "model", queue: "queue" };
const MAX_LEASES = 3;
const payload = Uint8Array.from([1]);

type FenceKind = "count" | "end" | "both" | "none";

/** A command is plain data, so that a failing sequence can be read and shortened. `which` picks a lease or a task. */
type Command =
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
  | { readonly do: "purge" };

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

const command: fc.Arbitrary<Command> = fc.oneof(
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
  { weight: 1, arbitrary: fc.constant({ do: "purge" as const }) },
);

/** Long enough to reach the retry limit, short enough to end before idempotency keys are forgotten. */
const sequence = fc.array(fc.tuple(command, fc.boolean()), { maxLength: 60, size: "max" });

/** A store and the model beside it, with all leases ever given. */
class Comparison {
  readonly #sut: StoreUnderTest;
  readonly #handles: readonly (QueueStore & QueueAdmin)[];
  readonly #model = new StoreModel(MAX_LEASES);
  readonly #leases: { readonly id: string; readonly retryCount: number; readonly etaUs: number }[] = [];

  static async begin(sut: StoreUnderTest): Promise<Comparison> {
    await sut.store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: MAX_LEASES });
    return new Comparison(sut, [sut.store, await sut.another()]);
  }

  private constructor(sut: StoreUnderTest, handles: readonly (QueueStore & QueueAdmin)[]) {
    this.#sut = sut;
    this.#handles = handles;
  }

  async run(step: Command, other: boolean): Promise<void> {
    const store = this.#handles[other ? 1 : 0]!;
    await this.#apply(step, store);
    await this.#compare(store);
  }

  async #apply(step: Command, store: QueueStore & QueueAdmin): Promise<void> {
    const nowUs = this.#sut.nowUs();
    switch (step.do) {
      case "insert":
        return this.#insert(step.tasks, store);
      case "lease": {
        const { do: _, ...request } = step;
        const leased = await store.lease([queue], request);
        expect(leased.map(plain)).toEqual(this.#model.lease(request, nowUs));
        this.#leases.push(...leased);
        return;
      }
      case "extend":
      case "release": {
        const named = this.#fence(step);
        if (named === undefined) return;
        const renewal =
          step.do === "extend"
            ? { ...named, leaseMs: step.leaseMs }
            : { ...named, leaseMs: 0, uncounted: step.uncounted };
        const [result] = await store.extend(queue, [renewal]);
        expect(outcomeOf(result)).toBe(this.#model.extend(renewal, nowUs));
        if (result?.ok === true) this.#leases.push(result.value);
        return;
      }
      case "delete": {
        const named = this.#fence(step);
        if (named === undefined) return;
        const [result] = await store.delete(queue, [named]);
        expect(outcomeOf(result)).toBe(this.#model.delete(named, nowUs));
        return;
      }
      case "advance":
        return this.#sut.advance(step.ms);
      case "purge":
        expect(await store.purge(queue)).toBe(this.#model.purge());
    }
  }

  async #insert(tasks: readonly NewTask[], store: QueueStore): Promise<void> {
    const results = await store.insert(queue, tasks);
    expect(results.length).toBe(tasks.length);
    for (const [index, task] of tasks.entries()) {
      const { outcome, repeats } = this.#model.insertOutcome(task);
      const result = results[index]!;
      expect(outcomeOf(result)).toBe(outcome);
      if (!result.ok) continue;
      if (repeats === undefined) this.#model.inserted(task, result.value.id, this.#sut.nowUs());
      else expect(result.value.id).toBe(repeats);
    }
  }

  #fence(step: { readonly which: number; readonly fence: FenceKind }): LeaseFence | undefined {
    // Past and present leases, and tasks that may never have been leased.
    const candidates = [...this.#leases, ...this.#model.tasks];
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
  async #compare(store: QueueStore & QueueAdmin): Promise<void> {
    const { tasks } = this.#model;
    expect((await store.peek(queue, { limit: 100 })).tasks.map(plain)).toEqual(tasks.slice(0, 100));
    const { stats } = await store.getQueue(queue, { stats: true });
    expect(stats).toMatchObject({
      totalTasks: tasks.length,
      availableTasks: tasks.filter(({ etaUs }) => etaUs <= this.#sut.nowUs()).length,
      oldestEtaUs: tasks[0]?.etaUs,
    });
  }
}

function plain({ id, tag, etaUs, retryCount, uncounted }: ReturnType<StoreModel["lease"]>[number]) {
  return { id, tag, etaUs, retryCount, uncounted };
}

function outcomeOf(result: ItemResult<unknown> | undefined) {
  return result?.ok === true ? "ok" : result?.error.code;
}

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
  await fc.assert(property, { numRuns, ...(seed === undefined ? {} : { seed }) });
}

describe.each([
  ["memory", memoryUnderTest, 400],
  ["SQLite", sqliteUnderTest, 40],
] as const)("the %s store", (_, factory, numRuns) => {
  test("answers and holds what the model does, over the same sequences each time", async () => {
    await compareWithModel(factory, numRuns, 20_180_220);
  });

  test("answers and holds what the model does, over fresh sequences", async () => {
    await compareWithModel(factory, numRuns / 4);
  });
});
