import { collectReplies, Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { settled, storeWith } from "./support.js";

describe("collectReplies()", () => {
  test("leaves the queue where nothing came, for replies that are late, and removes it after the first", async () => {
    const { store, clock, connect } = storeWith();
    await using connection = connect();
    const channel = await connection.channel();
    const queue = new Queue("replies", { autoDelete: true });
    const names = async () => (await store.listQueues("p")).queues.map(({ key }) => key.queue);
    const collect = async () => {
      const replies: unknown[] = [];
      for await (const reply of collectReplies(channel, queue, { timeoutMs: 1_000 })) replies.push(reply);
      return replies;
    };
    const none = collect();
    await settled();
    clock.advance(1_000);
    expect([await none, await names()]).toEqual([[], ["replies"]]);
    await connection.producer({ routingKey: "replies" }).publish("late");
    expect([await collect(), await names()]).toEqual([["late"], []]);
  });
});
