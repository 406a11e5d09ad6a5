import { transportSuite } from "@pullqueue/kombu/conformance";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, test } from "vitest";
import { brokerOf, LEASE_MS } from "../support/brokers.js";

describe("the sqlite transport", () => {
  transportSuite({
    describe,
    test,
    factory: async () => {
      const folder = temporaryFolder();
      return brokerOf(
        (clock, holdMsMax) => ({
          transport: "sqlite",
          transportOptions: {
            ...{ path: folder.file("queue.db"), leaseMs: LEASE_MS },
            ...(holdMsMax === undefined ? {} : { holdMsMax }),
          },
          clock,
        }),
        () => folder[Symbol.dispose](),
      );
    },
  });
});
