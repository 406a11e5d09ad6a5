import { describe, expect, test } from "vitest";
import { type CoalesceOptions, Coalescer } from "../src/coalesce.js";
import { type Deferred, deferred } from "./support/deferred.js";

/** A coalescer whose batches are answered by hand, with each item doubled. */
function underTest(options: Partial<CoalesceOptions<number, number>> = {}) {
  const batches: Array<{ items: readonly number[]; outcome: Deferred<void> }> = [];
  const coalescer = new Coalescer<number, number>({
    send: async (items) => {
      const outcome = deferred();
      batches.push({ items, outcome });
      await outcome.promise;
      return items.map((item) => item * 2);
    },
    batchesInFlightMax: 2,
    itemsMax: 4,
    weightMax: 100,
    weigh: (items) => items.reduce((sum, item) => sum + item, 0),
    blamesOneCall: (error) => error === "one of you",
    ...options,
  });
  const sent = () => batches.map(({ items }) => items);
  return { coalescer, batches, sent };
}

/** Lets the current turn of the event loop end. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("Coalescer", () => {
  test("add() sends a lone call at the end of its turn", async () => {
    const { coalescer, batches, sent } = underTest();
    const call = coalescer.add([1]);
    await turn();
    expect(sent()).toEqual([[1]]);
    batches[0]!.outcome.resolve();
    expect(await call).toEqual([2]);
  });

  test("add() gives calls of one turn one batch, and each its own results", async () => {
    const { coalescer, batches, sent } = underTest();
    const calls = [coalescer.add([1]), Promise.resolve().then(() => coalescer.add([2, 3]))];
    await turn();
    expect(sent()).toEqual([[1, 2, 3]]);
    batches[0]!.outcome.resolve();
    expect(await Promise.all(calls)).toEqual([[2], [4, 6]]);
  });

  test("add() gathers calls while enough batches are under way, and those that follow a batch go together", async () => {
    const { coalescer, batches, sent } = underTest();
    const worker = async (item: number) => {
      await coalescer.add([item]);
      await coalescer.add([item + 10]);
    };
    const workers = [worker(1), worker(2)];
    await turn();
    void coalescer.add([3]);
    await turn();
    void coalescer.add([4]);
    await turn();
    void coalescer.add([5]);
    await turn();
    expect(sent()).toEqual([[1, 2], [3]]);
    batches[0]!.outcome.resolve();
    await turn();
    expect(sent().slice(2)).toEqual([[4, 5, 11, 12]]);
    for (const { outcome } of batches) outcome.resolve();
    await Promise.all(workers);
  });

  test("add() starts another batch at the limits of items and of weight; a heavier call travels alone", async () => {
    const { coalescer, sent } = underTest({ batchesInFlightMax: 10 });
    for (const items of [[1, 1, 1], [1, 1], [60], [60], [500], [1]]) void coalescer.add(items);
    await turn();
    expect(sent()).toEqual([[1, 1, 1], [1, 1, 60], [60], [500], [1]]);
  });

  test("add() rejects an aborted call alone, and does not send it when its batch has not left", async () => {
    const { coalescer, batches, sent } = underTest({ batchesInFlightMax: 1 });
    const reason = { not: "an error" };
    const [inBatch, waiting] = [new AbortController(), new AbortController()];
    await expect(coalescer.add([9], AbortSignal.abort(reason))).rejects.toBe(reason);
    const first = expect(coalescer.add([1], inBatch.signal)).rejects.toBe(reason);
    const second = coalescer.add([2]);
    await turn();
    const third = expect(coalescer.add([3], waiting.signal)).rejects.toBe(reason);
    const fourth = coalescer.add([4]);
    inBatch.abort(reason);
    waiting.abort(reason);
    await Promise.all([first, third]);
    batches[0]!.outcome.resolve();
    expect(await second).toEqual([4]);
    await turn();
    batches[1]!.outcome.resolve();
    expect(await fourth).toEqual([8]);
    expect(sent()).toEqual([[1, 2], [4]]);
  });

  test("add() leaves out those who gave up while they waited, in whatever order, and sends no batch of nobody", async () => {
    const { coalescer, batches, sent } = underTest({
      batchesInFlightMax: 1,
      itemsMax: 100,
      weightMax: 10_000,
    });
    const callers = Array.from({ length: 20 }, () => new AbortController());
    const first = coalescer.add([100]);
    await turn();
    const calls = callers.map(({ signal }, item) => coalescer.add([item], signal).catch(() => "gave up"));
    for (const item of [19, 0, 7, 3]) callers[item]!.abort();
    const rest = callers.map((_, item) => item).filter((item) => ![0, 3, 7, 19].includes(item));
    batches[0]!.outcome.resolve();
    await first;
    await turn();
    expect(sent()).toEqual([[100], rest]);
    const late = new AbortController();
    const none = coalescer.add([50], late.signal).catch(() => "gave up");
    late.abort();
    batches[1]!.outcome.resolve();
    await Promise.all([...calls, none]);
    await turn();
    expect(sent()).toHaveLength(2);
  });

  test("add() gives no signal to a batch with a caller who cannot give up", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const { coalescer } = underTest({
      send: async (items, signal) => {
        signals.push(signal);
        return items;
      },
    });
    const calls = [coalescer.add([1], new AbortController().signal), coalescer.add([2])];
    expect(await Promise.all(calls)).toEqual([[1], [2]]);
    expect(signals).toEqual([undefined]);
  });

  test("add() ends a batch when the last of its callers has given up, and not before", async () => {
    const signals: AbortSignal[] = [];
    const { coalescer } = underTest({
      send: (_, signal) => {
        signals.push(signal!);
        return new Promise((_resolve, reject) =>
          signal!.addEventListener("abort", () => reject(signal!.reason)),
        );
      },
    });
    const callers = [new AbortController(), new AbortController()] as const;
    const calls = callers.map(({ signal }) => expect(coalescer.add([1], signal)).rejects.toBe("enough"));
    await turn();
    callers[0].abort("enough");
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    callers[1].abort("enough");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    await Promise.all(calls);
  });

  test("add() rejects all calls of a batch that failed", async () => {
    const { coalescer, batches } = underTest();
    const calls = [coalescer.add([1]), coalescer.add([2])].map((call) => expect(call).rejects.toBe("broken"));
    await turn();
    batches[0]!.outcome.reject("broken");
    await Promise.all(calls);
  });

  test("add() sends each call by itself when one of them may be to blame", async () => {
    const { coalescer, batches, sent } = underTest();
    const calls = [coalescer.add([1]), coalescer.add([2]), coalescer.add([3])];
    const second = expect(calls[1]).rejects.toBe("one of you");
    await turn();
    batches[0]!.outcome.reject("one of you");
    await turn();
    batches[1]!.outcome.resolve();
    await turn();
    batches[2]!.outcome.reject("one of you");
    await turn();
    batches[3]!.outcome.resolve();
    await second;
    expect([await calls[0], await calls[2]]).toEqual([[2], [6]]);
    expect(sent()).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  test("onIdle() is called when nothing waits and nothing is under way", async () => {
    let idle = 0;
    const { coalescer, batches } = underTest({ onIdle: () => (idle += 1), batchesInFlightMax: 1 });
    void coalescer.add([1]);
    await turn();
    void coalescer.add([2]);
    batches[0]!.outcome.resolve();
    await turn();
    expect(idle).toBe(0);
    batches[1]!.outcome.resolve();
    await turn();
    expect(idle).toBe(1);
  });
});
