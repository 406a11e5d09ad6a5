import assert from "node:assert/strict";
import { isLeaseLost, isTimeout } from "../errors.js";
import { type Cases, needing } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOne, getOrNull, intoAndAck, put, rejectsWith } from "./support.js";

/** Holding on to messages, and losing them. */
export const leaseCases: Cases = {
  "a message that is held is held by nobody else": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const message = await getOne(connection, queue);
    assert.equal(await getOrNull(broker.connect(), queue), null);
    await message.ack();
  },

  "a held message is renewed for as long as it is held": needing(
    ["manualClock", "leaseMs"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "hi");
      const message = await getOne(connection, queue);
      const other = broker.connect();
      for (let step = 0; step < 12; step++) {
        await broker.advance(broker.leaseMs! / 4);
        assert.equal(await getOrNull(other, queue), null);
      }
      assert.equal(message.signal.aborted, false);
      await message.ack();
    },
  ),

  "a message whose holder is gone returns after its lease, not before, and the late holder is refused":
    needing(["manualClock", "leaseMs"], async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, 1, 2, 3);
      // At the end of the longest time it stops renewing, as a process does that dies.
      const { leaseMs = 0 } = broker;
      const holder = broker.connect({ holdMsMax: leaseMs });
      const late = [await getOne(holder, queue), await getOne(holder, queue), await getOne(holder, queue)];
      await broker.advance(leaseMs / 2);
      await broker.advance(leaseMs / 2);
      for (const { signal } of late) assert.ok(isTimeout(signal.reason));
      assert.equal(await getOrNull(connection, queue), null);
      await broker.advance(leaseMs / 2);
      const again = [
        await getOne(connection, queue),
        await getOne(connection, queue),
        await getOne(connection, queue),
      ];
      for (const { deliveryInfo } of again) assert.equal(deliveryInfo.redelivered, true);
      await rejectsWith(late[0]!.ack(), "lease_lost");
      await rejectsWith(late[1]!.reject(), "lease_lost");
      await rejectsWith(late[2]!.requeue(), "lease_lost");
      assert.equal(await getOrNull(connection, queue), null);
      for (const message of again) await message.ack();
    }),

  "requeue() with a delay hides the message for that long": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "hi");
      await (await getOne(connection, queue)).requeue({ delayMs: 10_000 });
      assert.equal(await getOrNull(connection, queue), null);
      await broker.advance(9_000);
      assert.equal(await getOrNull(connection, queue), null);
      await broker.advance(1_000);
      assert.deepEqual(await drainPayloads(connection, queue), ["hi"]);
    },
  ),

  "a message that is gone cannot be acknowledged: lease_lost": needing(
    ["takeAway"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "hi");
      const message = await getOne(connection, queue);
      await broker.takeAway!(queue.name);
      await rejectsWith(message.ack(), "lease_lost");
      await rejectsWith(message.ack(), "lease_lost");
      const logged: string[] = [];
      await message.ackLogError((error) => void logged.push(error.code));
      assert.deepEqual(logged, ["lease_lost"]);
    },
  ),

  "a renewal that is refused aborts the message's signal with lease_lost": needing(
    ["manualClock", "leaseMs", "takeAway"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "hi");
      const message = await getOne(connection, queue);
      const { signal } = message;
      await broker.takeAway!(queue.name);
      for (let step = 0; step < 4 && !signal.aborted; step++) await broker.advance(broker.leaseMs! / 4);
      assert.ok(isLeaseLost(signal.reason));
      await rejectsWith(message.ack(), "lease_lost");
    },
  ),

  "a message that is lost while it waits in a consumer is not handed out": needing(
    ["manualClock", "leaseMs", "takeAway"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, 1, 2);
      const bodies: unknown[] = [];
      const consumer = connection.consumer(queue, { prefetchCount: 2, callbacks: [intoAndAck(bodies)] });
      await consumer.consume();
      await connection.drainEvents({ timeoutMs: 0 });
      await broker.takeAway!(queue.name);
      for (let step = 0; step < 4; step++) await broker.advance(broker.leaseMs! / 4);
      await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
      assert.deepEqual(bodies, [1]);
    },
  ),

  "what is given back unseen does not count as an attempt": needing(
    ["uncounted"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, 1, 2);
      const consumer = connection.consumer(queue, { prefetchCount: 2, callbacks: [() => {}] });
      await consumer.consume();
      await connection.drainEvents({ timeoutMs: 5_000 });
      await connection.close();
      const other = broker.connect();
      const attempts = new Map<unknown, number | undefined>();
      for (const message of [await getOne(other, queue), await getOne(other, queue)]) {
        attempts.set(message.payload, message.deliveryInfo.attempts);
      }
      assert.deepEqual([attempts.get(1), attempts.get(2)], [2, 1]);
    },
  ),
};
