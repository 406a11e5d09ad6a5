import { abortCases } from "./abort-cases.js";
import { concurrencyCases } from "./concurrency-cases.js";
import { deadLetterCases } from "./dead-letter-cases.js";
import { deleteCases } from "./delete-cases.js";
import { extendCases } from "./extend-cases.js";
import { fenceCases } from "./fence-cases.js";
import { idCases } from "./id-cases.js";
import { idempotencyCases } from "./idempotency-cases.js";
import { insertCases } from "./insert-cases.js";
import { leaseCases } from "./lease-cases.js";
import { leaseRateCases } from "./lease-rate-cases.js";
import { lifecycleCases } from "./lifecycle-cases.js";
import { orderCases } from "./order-cases.js";
import { pauseCases } from "./pause-cases.js";
import { peekCases } from "./peek-cases.js";
import { purgeCases } from "./purge-cases.js";
import { queueCases } from "./queue-cases.js";
import { queueNameCases } from "./queue-name-cases.js";
import { redriveCases } from "./redrive-cases.js";
import { refusalCases } from "./refusal-cases.js";
import { retentionCases } from "./retention-cases.js";
import { retryLimitCases } from "./retry-limit-cases.js";
import { statsCases } from "./stats-cases.js";
import { storageLimitCases } from "./storage-limit-cases.js";
import type { Case, Cases, Need, StoreFactory, StoreUnderTest } from "./store-under-test.js";
import { sweepCases } from "./sweep-cases.js";
import { tagCases } from "./tag-cases.js";
import { tagStatsCases } from "./tag-stats-cases.js";
import { textCases } from "./text-cases.js";
import { traceCases } from "./trace-cases.js";
import { transferCases } from "./transfer-cases.js";
import { waitCases } from "./wait-cases.js";
import { waitingCrowdCases } from "./waiting-crowd-cases.js";

export type { StoreFactory, StoreUnderTest } from "./store-under-test.js";
export { wrappedStore } from "./wrapped-store.js";

/** What the suite needs of a test runner. Those of vitest and of `node:test` fit as they are. */
export interface SuiteRunner {
  describe(name: string, body: () => void): unknown;
  test(name: string, body: (context: SkippableContext) => Promise<void>): unknown;
}

/** How a running test says that it does not apply; may throw, as vitest's does, or not. */
export interface SkippableContext {
  skip(reason?: string): unknown;
}

/** The contract of stores, by the law it proves. */
const CONTENTS: Readonly<Record<string, Cases>> = {
  inserting: insertCases,
  ids: idCases,
  "idempotency keys": idempotencyCases,
  leasing: leaseCases,
  order: orderCases,
  tags: tagCases,
  "the retry limit": retryLimitCases,
  "renewing and giving back": extendCases,
  deleting: deleteCases,
  "who holds a lease": fenceCases,
  looking: peekCases,
  waiting: waitCases,
  "waiting together": waitingCrowdCases,
  "giving up": abortCases,
  queues: queueCases,
  "names of queues": queueNameCases,
  purging: purgeCases,
  statistics: statsCases,
  "dead letters": deadLetterCases,
  redriving: redriveCases,
  retention: retentionCases,
  sweeping: sweepCases,
  pausing: pauseCases,
  "counts by tag": tagStatsCases,
  "the rate of leases": leaseRateCases,
  "what a queue may hold": storageLimitCases,
  "trace context": traceCases,
  "texts with U+0000": textCases,
  "moving queues between stores": transferCases,
  "wrong arguments": refusalCases,
  lifecycle: lifecycleCases,
  concurrency: concurrencyCases,
};

/**
 * Registers the conformance suite of `QueueStore` and `QueueAdmin` with a test runner. The factory makes a fresh store for
 * each case. A case is only left out by the store's manifest, or where its clock cannot be turned, with the reason.
 *
 *     storeSuite({ describe, test, factory: async () => … });
 */
export function storeSuite(options: SuiteRunner & { readonly factory: StoreFactory }): void {
  const { describe, test, factory } = options;
  for (const [title, cases] of Object.entries(CONTENTS)) {
    describe(title, () => {
      for (const [sentence, one] of Object.entries(cases)) {
        test(sentence, (context) => runCase(one, factory, context));
      }
    });
  }
}

async function runCase(one: Case, factory: StoreFactory, context: SkippableContext): Promise<void> {
  const { needs, run } = typeof one === "function" ? { needs: [], run: one } : one;
  const sut = await factory();
  try {
    const missing = await firstMissing(sut, needs);
    if (missing === undefined) await run(sut);
    else context.skip(`the store ${sut.store.supports.name} is without ${NEEDS[missing]}`);
  } finally {
    await sut.close();
  }
}

/** Each need in words, for the reason of leaving a case out. */
const NEEDS: Readonly<Record<Need, string>> = {
  waits: "leases that wait (supports.waits)",
  anyQueueName: "queues of any name (supports.anyQueueName)",
  fences: "fences and idempotency keys (supports.fences)",
  managesQueues: "management of queues (supports.managesQueues)",
  leasesManyQueues: "leases of several queues (supports.leasesManyQueues)",
  managesLife: "pauses, dead letters, retention and limits of queues (supports.managesLife)",
  sweeps: "a sweep of its own (supports.sweeps)",
  transfers: "moves of whole queues between stores (transfer)",
  twoHandles: "a second handle on its data (another)",
  manualClock: "a clock that can be turned exactly (manualClock)",
};

async function firstMissing(sut: StoreUnderTest, needs: readonly Need[]): Promise<Need | undefined> {
  for (const need of needs) {
    if (!(await meets(sut, need))) return need;
  }
  return undefined;
}

async function meets(sut: StoreUnderTest, need: Need): Promise<boolean> {
  if (need === "manualClock") return sut.manualClock;
  if (need === "transfers") return "transfer" in sut.store && sut.store.transfer !== undefined;
  if (need === "twoHandles") return (await sut.another()) !== sut.store;
  return sut.store.supports[need];
}
