import { transportSuite } from "@pullqueue/kombu/conformance";
import { isMissing } from "@pullqueue/testing";
import { brokerOf, LEASE_MS } from "@pullqueue/testing/brokers";
import { temporarySchema } from "@pullqueue/testing/postgres-schema";
import { afterAll, describe, test } from "vitest";

describe.skipIf(isMissing("postgres"))("the postgres transport", () => {
  const schema = temporarySchema();
  let brokers = 0;
  afterAll(() => schema[Symbol.asyncDispose]());

  transportSuite({
    describe,
    // Time passes here as it does outside: cases wait side by side.
    test: test.concurrent,
    factory: async () => {
      // A project of its own for each broker, because making a schema takes long.
      brokers += 1;
      const projectName = `p${brokers}`;
      return brokerOf({
        clock: "system",
        target: (options) => ({
          transport: "postgres",
          transportOptions: {
            ...{ url: schema.url, projectName, leaseMs: LEASE_MS },
            ...options,
          },
        }),
      });
    },
  });
});
