import { QueueError } from "@pullqueue/core";
import { Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { settled, storeWith } from "./support.js";

describe("Message", () => {
  test.each([-1, Number.NaN, "5", 604_800_001])(
    "requeue() refuses the delay %s and keeps the message",
    async (delayMs) => {
      await using connection = storeWith().connect();
      const queue = connection.simpleQueue("q");
      await queue.put("hi");
      const message = await queue.get();
      const requeuing = message.requeue({ delayMs: delayMs as number });
      await expect(requeuing).rejects.toMatchObject({
        code: "invalid_argument",
        message: expect.stringContaining("delayMs"),
      });
      await message.ack();
    },
  );

  test("ack() past its timeoutMs is timeout, and the same again waits for what is on its way", async () => {
    const { clock, store, deletes, message, answer } = await heldMessage();
    const acking = message.ack({ timeoutMs: 100 });
    acking.catch(() => {});
    clock.advance(100);
    await expect(acking).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringMatching(/confirm within 100 ms .* unclear/),
    });
    await expect(message.requeue()).rejects.toMatchObject({ code: "message_state" });
    const again = message.ack();
    answer();
    await again;
    expect(deletes()).toBe(1);
    expect((await store.getQueue(KEY, { stats: true })).stats?.totalTasks).toBe(0);
  });

  test("ack() that failed after its timeoutMs leaves the message to be settled again", async () => {
    const { clock, deletes, message, answer } = await heldMessage();
    const acking = message.ack({ timeoutMs: 100 });
    acking.catch(() => {});
    clock.advance(100);
    await expect(acking).rejects.toMatchObject({ code: "timeout" });
    answer(new QueueError("unavailable", "gone"));
    await settled();
    expect(message.acknowledged).toBe(false);
    const again = message.ack();
    answer();
    await again;
    expect(deletes()).toBe(2);
  });

  test("run() waits for an acknowledgement that its handler left, and gives back what that did not take", async () => {
    const { clock, store, message: held, answer, connection } = await heldMessage();
    await held.requeue();
    const stop = new AbortController();
    const running = connection.consumer(new Queue("q")).run((message) => message.ack({ timeoutMs: 100 }), {
      signal: stop.signal,
      onError: () => stop.abort(),
    });
    await settled();
    clock.advance(100);
    await settled();
    answer(new QueueError("unavailable", "gone"));
    await running;
    const { tasks } = await store.peek(KEY, { limit: 1 });
    expect(tasks[0]?.etaUs).toBeLessThan(clock.nowUs() + 2_000_000); // The pause before it comes again, and no lease.
  });
});

const KEY = { project: "p", queue: "q" };

/** A message whose acknowledgement the broker answers when it is told to. */
async function heldMessage() {
  let count = 0;
  const waiting: ((error?: Error) => void)[] = [];
  const { connect, clock, store } = storeWith((real) => ({
    async delete(...call) {
      count += 1;
      await new Promise<void>((resolve, reject) => {
        waiting.push((error) => (error === undefined ? resolve() : reject(error)));
      });
      return real.delete(...call);
    },
  }));
  const connection = connect();
  const queue = connection.simpleQueue("q");
  await queue.put("hi");
  const message = await queue.get();
  const answer = (error?: Error) => void waiting.shift()?.(error);
  return { connection, clock, store, message, deletes: () => count, answer };
}
