import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Connection, Exchange, isEmpty, Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { storeWith } from "./support.js";

describe("SimpleQueue", () => {
  test("get() leases what put() stored, and ack() deletes it", async () => {
    await using connection = new Connection("memory://simple-1");
    const queue = connection.simpleQueue("pull-queue");
    await queue.put({ message: "hello" });
    expect(await queue.qsize()).toBe(1);
    const message = await queue.get({ timeoutMs: 5_000 });
    expect(message.payload).toEqual({ message: "hello" });
    await message.ack();
    expect(await queue.qsize()).toBe(0);
    await expect(queue.get({ timeoutMs: 20 })).rejects.toSatisfy(isEmpty);
  });

  test("put() gives up after timeoutMs also when the queue cannot be declared", async () => {
    const { connect, advance } = storeWith(() => ({ getQueue: () => new Promise(() => {}) }));
    const connection = connect();
    const putting = connection.simpleQueue("q").put("hi", { timeoutMs: 500 });
    const outcome = putting.catch((error: unknown) => error);
    await advance(1_000, 100);
    expect(await outcome).toMatchObject({ code: "timeout" });
  });

  test("the second program of the documentation runs", async () => {
    await using connection = new Connection("memory://simple-2");
    const appEngine = new Exchange("appengine", "direct", { durable: true });
    const pullQueue = new Queue("pull-queue", { exchange: appEngine, routingKey: "pull-queue" });
    await pullQueue.bind(await connection.channel()).declare();
    const producer = connection.producer({ exchange: appEngine, routingKey: "pull-queue" });
    await producer.publish({ text: "Hello World!" });
    const bodies: unknown[] = [];
    const consumer = connection.consumer([pullQueue], {
      callbacks: [
        async (body, message) => {
          bodies.push(body);
          await message.ack();
        },
      ],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 1_000 });
    expect(bodies).toEqual([{ text: "Hello World!" }]);
  });
});

test("get() of a broker that is not there is unavailable soon, and close() waits for no declaration", async () => {
  const vacant = createServer().listen(0, "127.0.0.1");
  await once(vacant, "listening");
  const { port } = vacant.address() as AddressInfo;
  vacant.close();
  await once(vacant, "close");
  const connection = new Connection(`appengine://127.0.0.1:${port}/my_project`);
  await expect(connection.simpleQueue("q").get({ timeoutMs: 100 })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("ECONNREFUSED"),
  });
  await connection.close();
}, 6_000);
