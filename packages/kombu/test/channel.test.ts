import { QueueError } from "@pullqueue/core";
import { Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
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
});
