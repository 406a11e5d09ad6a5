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

  test("bytes that were published are nobody's but the queue's", async () => {
    await using connection = new Connection("memory://bytes");
    const queue = connection.simpleQueue("q");
    for (const envelope of [true, false]) {
      const bytes = new Uint8Array([1, 2, 3]);
      await connection.producer({ routingKey: "q" }).publish(bytes, { envelope });
      bytes.fill(9);
      const first = await queue.getNowait();
      expect([...first.body]).toEqual([1, 2, 3]);
      first.body.fill(9);
      await first.requeue();
      const again = await queue.getNowait();
      expect([...again.body]).toEqual([1, 2, 3]);
      await again.ack();
    }
  });

  test("headers and properties of one message are not those of the next like it", async () => {
    await using connection = new Connection("memory://headers");
    const queue = connection.simpleQueue("q");
    const options = { headers: { h: 1 }, correlationId: "c" };
    for (let i = 0; i < 3; i++) await connection.producer({ routingKey: "q" }).publish({ i }, options);
    const first = await queue.getNowait();
    (first.headers as Record<string, unknown>).h = 2;
    for (let i = 1; i < 3; i++) {
      const { payload, headers, properties } = await queue.getNowait();
      expect([payload, headers, properties]).toEqual([
        { i },
        { h: 1 },
        { correlation_id: "c", delivery_mode: 2, priority: 0 },
      ]);
    }
  });

  test("a kombu envelope that was published as bytes is read as one", async () => {
    await using connection = new Connection("memory://envelopes");
    const text =
      '{"body": "eA==", "content-encoding": "utf-8", "content-type": "text/plain", "headers": {}, ' +
      '"properties": {"body_encoding": "base64", "delivery_tag": "T"}}';
    await connection.simpleQueue("q").qsize();
    await connection.producer({ routingKey: "q" }).publish(Buffer.from(text), { envelope: false });
    expect(await connection.simpleQueue("q").getNowait()).toMatchObject({ raw: false, payload: "x" });
  });

  test("a key that the program chose is remembered; so is one of a publish that may be repeated", async () => {
    await using connection = new Connection("memory://keys");
    const queue = connection.simpleQueue("q");
    const producer = connection.producer({ routingKey: "q" });
    for (let i = 0; i < 2; i++) await producer.publish("once", { idempotencyKey: "k" });
    for (let i = 0; i < 2; i++) await producer.publish("twice");
    await producer.publish("retried", { retry: true });
    expect(await queue.qsize()).toBe(4);
  });
});
