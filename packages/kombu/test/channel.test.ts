import { QueueError } from "@pullqueue/core";
import { Connection, Exchange, Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { DECLARED_MAX } from "../src/limits.js";
import { LEASE_MS, storeWith } from "./support.js";

describe("Channel", () => {
  test("declareOnce() repeats what may have gone by itself or was deleted, and nothing else", async () => {
    await using connection = storeWith().connect();
    const channel = await connection.channel();
    const declared: string[] = [];
    const onDeclared = ({ name }: { readonly name: string }) => declared.push(name);
    const lasting = new Queue("lasting", { onDeclared });
    const passing = new Queue("passing", { onDeclared, autoDelete: true });
    const producer = connection.producer({ routingKey: "lasting" });
    for (let n = 0; n < 2; n++) await producer.publish(n, { declare: [lasting, passing] });
    expect(declared).toEqual(["lasting", "passing", "passing"]);
    await new Queue("other").bind(channel).delete();
    await producer.publish(2, { declare: [lasting] });
    expect(declared.length).toBe(4);
  });

  test("declareOnce() takes equal definitions for one, and those with only a name in common for two", async () => {
    const asked: string[] = [];
    const { connect } = storeWith((real) => ({
      async getQueue(key, ...rest) {
        asked.push(key.queue);
        return real.getQueue(key, ...rest);
      },
    }));
    await using connection = connect();
    const channel = await connection.channel();
    const exchange = new Exchange("e");
    const queue = () => new Queue("q", { exchange, routingKey: "k", queueArguments: { a: 1 } });
    expect(await channel.declareOnce(queue())).toBe(true);
    expect(await channel.declareOnce(queue())).toBe(false);
    expect(await channel.declareOnce(queue().bind(channel))).toBe(false);
    expect(asked).toEqual(["q"]);
    expect(await channel.declareOnce(new Queue("q", { exchange, queueArguments: { a: 1 } }))).toBe(true);
    const { queues } = await connection.producer({ exchange }).publish("hi");
    expect(queues).toEqual(["q"]);
    await expect(channel.declareOnce(new Queue("q", { durable: false }))).rejects.toMatchObject({
      code: "precondition_failed",
    });
    await expect(channel.declareOnce(new Exchange("e", "topic"))).rejects.toMatchObject({
      code: "precondition_failed",
    });
    expect(await channel.declareOnce(new Exchange("e"))).toBe(false);
  });

  test("declareOnce() shares what runs, and tries again after a failure", async () => {
    let isDown = true;
    const { connect } = storeWith((real) => ({
      async getQueue(...call) {
        if (isDown) throw new QueueError("permission_denied", "no");
        return real.getQueue(...call);
      },
      async putQueue() {
        throw new QueueError("resource_exhausted", "full");
      },
    }));
    await using connection = connect();
    const channel = await connection.channel();
    isDown = false;
    const both = await Promise.allSettled([
      channel.declareOnce(new Queue("q")),
      channel.declareOnce(new Queue("q")),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    isDown = true;
    expect(await channel.declareOnce(new Queue("q"))).toBe(true);
  });

  test("declareOnce() forgets the oldest definition when there are too many", async () => {
    await using connection = storeWith().connect();
    const channel = await connection.channel();
    const exchange = (n: number) => new Exchange(`e${n}`, "direct", { noDeclare: true });
    for (let n = 0; n <= DECLARED_MAX; n++) await channel.declareOnce(exchange(n));
    expect(await channel.declareOnce(exchange(1))).toBe(false);
    expect(await channel.declareOnce(exchange(0))).toBe(true);
  });

  test("close() lets go of what it cannot give back, so that it comes back when its lease ends", async () => {
    let isDown = false;
    const { connect, advance } = storeWith((real) => ({
      async extend(...call) {
        if (isDown) throw new QueueError("unavailable", "down");
        return real.extend(...call);
      },
    }));
    await using connection = connect();
    const queue = new Queue("q");
    await connection.producer({ routingKey: "q" }).publish("hi");
    const channel = await connection.channel();
    const message = await queue.bind(channel).get();
    isDown = true;
    await channel.close();
    isDown = false;
    await expect(message?.ack()).rejects.toMatchObject({ code: "lease_lost" });
    await advance(LEASE_MS * 2);
    expect((await queue.bind(await connection.channel()).get())?.payload).toBe("hi");
  });

  test("close() waits for a broker that does not answer for two seconds, and no longer", async () => {
    let isSilent = false;
    const { connect, advance } = storeWith((real) => ({
      extend: (...call) => (isSilent ? new Promise(() => {}) : real.extend(...call)),
    }));
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const channel = await connection.channel();
    await new Queue("q").bind(channel).get();
    isSilent = true;
    let isClosed = false;
    const closing = channel.close().then(() => {
      isClosed = true;
    });
    await advance(1_900, 100);
    expect(isClosed).toBe(false);
    await advance(100, 100);
    await closing;
    isSilent = false;
  });

  test("get() does not keep a message that it could not acknowledge", async () => {
    let isDown = true;
    const { connect } = storeWith((real) => ({
      async delete(...call) {
        if (isDown) throw new QueueError("unavailable", "down");
        return real.delete(...call);
      },
    }));
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const queue = new Queue("q", { noAck: true }).bind(await connection.channel());
    await expect(queue.get()).rejects.toMatchObject({ code: "unavailable" });
    isDown = false;
    expect((await queue.get())?.payload).toBe("hi");
  });

  test("any number of calls wait on one channel without a warning of leaks", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on("warning", onWarning);
    const connection = new Connection("memory://many-calls");
    const waiting = Array.from({ length: 20 }, (_, n) => connection.rpc(`q${n}`).call(n));
    const outcomes = Promise.allSettled(waiting);
    await new Promise((resolve) => setImmediate(resolve)); // Warnings come in a turn of their own.
    await connection.close();
    await outcomes;
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});
