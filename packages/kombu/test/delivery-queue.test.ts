import { QueueError } from "@pullqueue/core";
import { isClosed, Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { settled, storeWith } from "./support.js";

describe("DeliveryQueue", () => {
  test("next() finds what another call has received", async () => {
    const { connect } = storeWith(() => ({}), { numTasks: 15 });
    await using connection = connect();
    const queue = connection.simpleQueue("q");
    const payloads: unknown[] = [];
    for (const body of ["a", "b", "c"]) await queue.put(body);
    const calls = Array.from({ length: 4 }, async () => payloads.push((await queue.get()).payload));
    await settled();
    expect(payloads).toEqual(["a", "b", "c"]);
    await queue.put("d");
    await Promise.all(calls);
    expect(payloads).toEqual(["a", "b", "c", "d"]);
    const waiting = queue.get();
    await queue.close();
    await expect(waiting).rejects.toSatisfy(isClosed);
  });

  test("take() goes on to the next message when one was lost before it could be acknowledged", async () => {
    let losses = 1;
    const { connect } = storeWith(
      (real) => ({
        async delete(queue, fences, options) {
          if (losses-- > 0)
            return [{ ok: false, error: new QueueError("lease_lost", "somebody else has it") }];
          return real.delete(queue, fences, options);
        },
      }),
      { numTasks: 2 },
    );
    await using connection = connect();
    const queue = connection.simpleQueue("q", { noAck: true });
    for (const body of ["lost", "next"]) await queue.put(body);
    expect((await queue.get({ timeoutMs: 0 })).payload).toBe("next");
  });

  test("what is being acknowledged makes room at once, for as many as may be prefetched, until that fails", async () => {
    const answers: ((error: Error | undefined) => void)[] = [];
    const { connect } = storeWith((real) => ({
      async delete(queue, fences) {
        const error = await new Promise<Error | undefined>((resolve) => answers.push(resolve));
        if (error !== undefined) throw error;
        return real.delete(queue, fences);
      },
    }));
    await using connection = connect();
    const queue = connection.simpleQueue("q");
    for (let n = 0; n < 6; n++) await queue.put(n);
    const consumer = connection.consumer(new Queue("q"), { prefetchCount: 2 });
    const messages = consumer.messages();
    const next = async () => (await messages.next()).value!;
    const acks: Promise<void>[] = [];
    for (let n = 0; n < 2; n++) {
      const message = await next();
      acks.push(message.ack());
      acks.at(-1)!.catch(() => {});
    }
    // Two are on their way to the broker; two others are held, and with those it is full.
    const [third] = [await next(), await next()];
    let isHere = false;
    const fifth = next().then(() => (isHere = true));
    await settled();
    expect(isHere).toBe(false);
    // One of the first is ours again: there is no room where another one goes.
    answers[0]!(new QueueError("unavailable", "not now"));
    await expect(acks[0]).rejects.toMatchObject({ code: "unavailable" });
    third.ack().catch(() => {});
    await settled();
    expect(isHere).toBe(false);
    answers[1]!(undefined);
    answers[2]!(undefined);
    await acks[1];
    await settled();
    expect(isHere).toBe(false);
    await consumer.cancel();
    await fifth.catch(() => {});
    for (const answer of answers) answer(undefined);
  });

  // The answer is on its way through the layers, a few turns of the microtask queue, when somebody cancels.
  test.each(["consumer", "simple queue"])(
    "a cancelled %s keeps nothing, however late the answer",
    async (what) => {
      for (let lateness = 0; lateness < 60; lateness++) {
        let arrive = () => {};
        const { connect, store } = storeWith((real) => ({
          async lease(queues, request) {
            const tasks = await real.lease(queues, request);
            await new Promise<void>((resolve) => {
              arrive = resolve;
            });
            return tasks;
          },
        }));
        await using connection = connect();
        await connection.simpleQueue("q").put("hi");
        let seen = 0;
        const consumer = connection.consumer(new Queue("q"), { callbacks: [() => seen++] });
        const simple = connection.simpleQueue("q");
        if (what === "consumer") await consumer.consume();
        const see = () => void seen++;
        const receiving = what === "consumer" ? connection.drainEvents() : simple.get().then(see);
        receiving.catch(() => {}); // It may end either way.
        await settled();
        arrive();
        for (let turn = 0; turn < lateness; turn++) await Promise.resolve();
        await (what === "consumer" ? consumer.cancel() : simple.close());
        await settled();
        const { stats } = await store.getQueue({ project: "p", queue: "q" }, { stats: true });
        expect([lateness, seen + (stats?.availableTasks ?? 0)]).toEqual([lateness, 1]);
      }
    },
  );
});
