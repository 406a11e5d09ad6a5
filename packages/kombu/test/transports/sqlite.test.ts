import { transportSuite } from "@pullqueue/kombu/conformance";
import { temporaryFolder } from "@pullqueue/testing";
import { brokerOf, LEASE_MS } from "@pullqueue/testing/brokers";
import { describe, test } from "vitest";

describe("the sqlite transport", () => {
  transportSuite({
    describe,
    test,
    factory: async () => {
      const folder = temporaryFolder();
      return brokerOf({
        target: (options) => ({
          transport: "sqlite",
          transportOptions: {
            ...{ path: folder.file("queue.db"), leaseMs: LEASE_MS },
            ...options,
          },
        }),
        close: () => folder[Symbol.dispose](),
      });
    },
  });
});
