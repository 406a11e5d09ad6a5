import { Connection } from "@pullqueue/kombu";
import { transportSuite } from "@pullqueue/kombu/conformance";
import { brokerOf, LEASE_MS } from "@pullqueue/testing/brokers";
import { describe, expect, test } from "vitest";
import { memoryForm } from "../../src/transports/memory-messages.js";

let broker = 0;

const CONTENT = {
  contentType: undefined,
  contentEncoding: undefined,
  headers: {},
  properties: {},
  raw: false,
};

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

  test("a body that no other broker of ours takes is too_large here too", async () => {
    await using connection = new Connection("memory:");
    const queue = connection.simpleQueue("q");
    await queue.put(new Uint8Array(760 * 1024));
    await expect(queue.put(new Uint8Array(800 * 1024))).rejects.toMatchObject({
      code: "too_large",
      message: expect.stringMatching(
        /at most 1048576 bytes in its envelope, got \d+; store the rest elsewhere/,
      ),
    });
    expect(await queue.qsize()).toBe(1);
  });

  test.each([0, 10, 1000, 3000, 5000])(
    "a message of %i bytes that stays keeps little else in memory",
    (size) => {
      const content = { ...CONTENT, body: new Uint8Array(size) };
      for (let number = 0; number < 20; number++) {
        const bytes = memoryForm.write(content, { exchange: "", routingKey: "q" }, true);
        expect(bytes.buffer.byteLength).toBeLessThanOrEqual(16 * bytes.byteLength);
      }
    },
  );

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
