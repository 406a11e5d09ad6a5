import type { Connection } from "../connection.js";
import { abortCases } from "./abort-cases.js";
import {
  type BrokerFactory,
  type BrokerUnderTest,
  type Case,
  type Cases,
  MANIFEST_NEEDS,
  type ManifestNeed,
  type Need,
} from "./broker-under-test.js";
import { commonCases } from "./common-cases.js";
import { consumerCases } from "./consumer-cases.js";
import { contentCases } from "./content-cases.js";
import { deadLetterCases } from "./dead-letter-cases.js";
import { deliveryCases } from "./delivery-cases.js";
import { exchangeCases } from "./exchange-cases.js";
import { expiryCases } from "./expiry-cases.js";
import { iterationCases } from "./iteration-cases.js";
import { leaseCases } from "./lease-cases.js";
import { lifecycleCases } from "./lifecycle-cases.js";
import { pidboxCases } from "./pidbox-cases.js";
import { prefetchCases } from "./prefetch-cases.js";
import { priorityCases } from "./priority-cases.js";
import { producerCases } from "./producer-cases.js";
import { queueCases } from "./queue-cases.js";
import { rawCases } from "./raw-cases.js";
import { replyCases } from "./reply-cases.js";
import { runCases } from "./run-cases.js";
import { simpleQueueCases } from "./simple-queue-cases.js";
import { workerCases } from "./worker-cases.js";

export {
  type BrokerFactory,
  type BrokerUnderTest,
  type ConnectOptions,
  QUEUE_NAMES,
} from "./broker-under-test.js";

/** What the suite needs of a test runner. Those of vitest and of `node:test` fit as they are. */
export interface SuiteRunner {
  describe(name: string, body: () => void): unknown;
  test(name: string, body: (context: SkippableContext) => Promise<void>): unknown;
}

/** How a running test says that it does not apply; may throw, as vitest's does, or not. */
export interface SkippableContext {
  skip(reason?: string): unknown;
}

/** What every transport must do, by theme. */
const CONTENTS: Readonly<Record<string, Cases>> = {
  exchanges: exchangeCases,
  queues: queueCases,
  deliveries: deliveryCases,
  contents: contentCases,
  "raw messages": rawCases,
  prefetch: prefetchCases,
  leases: leaseCases,
  expiry: expiryCases,
  "dead letters": deadLetterCases,
  priorities: priorityCases,
  producers: producerCases,
  consumers: consumerCases,
  "for await": iterationCases,
  "run()": runCases,
  workers: workerCases,
  "loops and broadcasts": commonCases,
  "simple queues": simpleQueueCases,
  replies: replyCases,
  "remote control": pidboxCases,
  aborting: abortCases,
  closing: lifecycleCases,
};

/**
 * Registers the conformance suite of `Transport` with a test runner: a broker is proved through connections, as programs use
 * it. The factory makes a fresh broker for each case. A case is only left out where a need is not met, with the reason.
 *
 *     transportSuite({ describe, test, factory: async () => … });
 */
export function transportSuite(options: SuiteRunner & { readonly factory: BrokerFactory }): void {
  const { describe, test, factory } = options;
  for (const [title, cases] of Object.entries(CONTENTS)) {
    describe(title, () => {
      for (const [sentence, one] of Object.entries(cases)) {
        test(sentence, (context) => runCase(one, factory, context));
      }
    });
  }
}

async function runCase(one: Case, factory: BrokerFactory, context: SkippableContext): Promise<void> {
  const { needs, run } = typeof one === "function" ? { needs: [], run: one } : one;
  const broker = await factory();
  try {
    const connection = broker.connect();
    const missing = await missingOf(needs, broker, connection);
    if (missing === undefined) await run(connection, broker);
    else context.skip(`the broker under test has not: ${missing}`);
  } finally {
    await broker.close();
  }
}

/** How a manifest says that a broker has something not. */
const ABSENT: ReadonlySet<unknown> = new Set([false, "refused", undefined]);

/** The first need that is not met. */
async function missingOf(
  needs: readonly Need[],
  broker: BrokerUnderTest,
  connection: Connection,
): Promise<Need | undefined> {
  const isOfManifest = (need: Need): need is ManifestNeed => MANIFEST_NEEDS.some((name) => name === need);
  const manifest = needs.some(isOfManifest) ? await connection.manifest() : undefined;
  return needs.find((need) => {
    if (isOfManifest(need)) return ABSENT.has(manifest?.[need]);
    return need === "leaseMs" ? broker.leaseMs === undefined : !broker[need];
  });
}
