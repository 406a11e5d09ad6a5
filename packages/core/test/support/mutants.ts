import { expect } from "vitest";
import { storeSuite } from "../../src/conformance/index.js";
import type { StoreFactory } from "../../src/conformance/store-under-test.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import type { QueueSettings } from "../../src/task.js";
import type { TransferStore } from "../../src/transfer.js";
import { memoryUnderTest } from "./store-under-test.js";

/** A store that breaks one promise: what it does, the sentence of the case that notices, and how it is broken. */
export type Mutant = readonly [what: string, sentence: string, breakage: Breakage];

/** Members that take the place of the inner store's. */
export type Breakage = (inner: Store) => Partial<TransferStore>;

type Store = QueueStore & QueueAdmin;

/** Runs the case on the broken store, and fails unless the case does. */
export async function expectNoticed(
  sentence: string,
  breakage: Breakage,
  underTest: StoreFactory = memoryUnderTest,
): Promise<void> {
  const factory: StoreFactory = async () => {
    const sut = await underTest();
    const store = broken(sut.store, breakage);
    return { ...sut, store, another: async () => store };
  };
  const run = casesOn(factory).get(sentence);
  expect(run, "the suite has this case").toBeDefined();
  // By an assertion or a code, not by a mistake in the mutant.
  await expect(run!()).rejects.toMatchObject({
    name: expect.stringMatching(/^(?:AssertionError|QueueError)$/),
  });
}

/** The suite's cases by their sentences, each as a call that rejects when the case fails. */
function casesOn(factory: StoreFactory): ReadonlyMap<string, () => Promise<void>> {
  const cases = new Map<string, () => Promise<void>>();
  storeSuite({
    describe: (_, body) => body(),
    test: (sentence, body) => void cases.set(sentence, () => body({ skip: () => undefined })),
    factory,
  });
  return cases;
}

function broken(inner: Store, breakage: Breakage): Store {
  const changed = breakage(inner);
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(changed, name) ?? Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A store that leaves out, or changes, some settings. */
export function settingsBecome(change: (settings: QueueSettings) => Partial<QueueSettings>): Breakage {
  return (inner) => ({
    putQueue: (queue, settings, options) =>
      inner.putQueue(queue, { ...settings, ...change(settings) }, options),
  });
}
