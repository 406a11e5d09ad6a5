import { describe, expect, test } from "vitest";
import { type StoreFactory, storeSuite, wrappedStore } from "../../src/conformance/index.js";
import { memoryUnderTest } from "../support/store-under-test.js";

const wrapped: StoreFactory = async () => {
  const sut = await memoryUnderTest();
  const store = wrappedStore(sut.store);
  return { ...sut, store, another: async () => store };
};

describe("storeSuite() on a wrapper that does nothing", () => {
  storeSuite({ describe, test, factory: wrapped });
});

/** The suite's cases by their sentences, each as a call that rejects when the case fails. */
function casesOn(factory: StoreFactory) {
  const cases: { sentence: string; run: (skip: (reason?: string) => void) => Promise<void> }[] = [];
  storeSuite({
    describe: (_, body) => body(),
    test: (sentence, body) => void cases.push({ sentence, run: (skip) => body({ skip }) }),
    factory,
  });
  return cases;
}

describe("storeSuite()", () => {
  test("has many cases, and no two of one name", () => {
    const sentences = casesOn(memoryUnderTest).map(({ sentence }) => sentence);
    expect(new Set(sentences).size).toBe(sentences.length);
    expect(sentences.length).toBeGreaterThan(200);
  });

  test("leaves a case out by the manifest or the clock, with the reason, and closes its store all the same", async () => {
    let closed = 0;
    const least: StoreFactory = async () => {
      const sut = await memoryUnderTest();
      const supports = { ...sut.store.supports, name: "least", managesQueues: false, managesLife: false };
      const store = Object.assign(wrappedStore(sut.store), {});
      Object.defineProperty(store, "supports", { value: supports });
      const close = async () => {
        closed += 1;
        await sut.close();
      };
      return { ...sut, store, manualClock: false, close };
    };
    const reasons = new Map<string, string | undefined>();
    for (const { sentence, run } of casesOn(least)) {
      if (!/^(?:purge|lease\(\) ends exactly|lease\(\) of an empty)/.test(sentence)) continue;
      await run((reason) => void reasons.set(sentence, reason));
    }
    expect(reasons.get("lease() ends exactly at its end, not a microsecond earlier")).toMatch(/least.*clock/);
    expect(reasons.get("purge() takes the leases of those who hold tasks")).toMatch(/least.*managesQueues/);
    expect(reasons.has("lease() of an empty queue is an empty list")).toBe(false);
    expect(closed).toBe(reasons.size + 1);
  });
});
