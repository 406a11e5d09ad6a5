import { Connection } from "@pullqueue/kombu";
import { transportSuite } from "@pullqueue/kombu/conformance";
import { brokerOf, LEASE_MS } from "@pullqueue/testing/brokers";
import { describe, expect, test } from "vitest";

let broker = 0;

describe("the memory transport", () => {
  transportSuite({
    describe,
    test,
    factory: async () => {
      const name = `suite-${broker++}`;
      return brokerOf({
        target: (options) => ({
          transport: "memory",
          transportOptions: { name, leaseMs: LEASE_MS, ...options },
        }),
      });
    },
  });

  test("connections of one name share their queues, those of another do not", async () => {
    await using one = new Connection("memory://shared");
    await using same = new Connection("memory://shared");
    await using other = new Connection("memory://other");
    await one.simpleQueue("q").put("hi");
    expect(await other.simpleQueue("q").qsize()).toBe(0);
    expect((await same.simpleQueue("q").getNowait()).payload).toBe("hi");
  });

  test("its queues go with the last connection", async () => {
    const first = new Connection("memory://counted");
    const second = new Connection("memory://counted");
    await first.simpleQueue("q").put("hi");
    await second.channel();
    await first.close();
    expect(await second.simpleQueue("q").qsize()).toBe(1);
    await second.close();
    await using third = new Connection("memory://counted");
    expect(await third.simpleQueue("q").qsize()).toBe(0);
  });
});
