import assert from "node:assert/strict";
import { PRIORITY_MAX } from "../limits.js";
import { type Cases, needing } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOne, put } from "./support.js";

/** Messages that may overtake others. Which priority is the most urgent the manifest says. */
export const priorityCases: Cases = {
  "a more urgent message overtakes; within one priority the older goes first": async (connection) => {
    const { urgentPriority } = await connection.manifest();
    const urgent = urgentPriority ?? PRIORITY_MAX;
    const queue = await declareQueue(connection, "q", { maxPriority: PRIORITY_MAX });
    const producer = connection.producer({ routingKey: "q" });
    for (const body of ["patient 1", "patient 2", "urgent 1", "urgent 2"]) {
      const priority = body.startsWith("urgent") ? urgent : PRIORITY_MAX - urgent;
      await producer.publish(body, { priority });
    }
    const byArrival = ["patient 1", "patient 2", "urgent 1", "urgent 2"];
    const byPriority = ["urgent 1", "urgent 2", "patient 1", "patient 2"];
    assert.deepEqual(
      await drainPayloads(connection, queue),
      urgentPriority === undefined ? byArrival : byPriority,
    );
  },

  "a requeued message keeps its priority, and a more urgent one overtakes it": needing(
    ["urgentPriority"],
    async (connection) => {
      const { urgentPriority = 0 } = await connection.manifest();
      const queue = await declareQueue(connection, "q", { maxPriority: PRIORITY_MAX });
      const producer = connection.producer({ routingKey: "q" });
      await producer.publish("middle", { priority: 5 });
      const middle = await getOne(connection, queue);
      await producer.publish("patient", { priority: PRIORITY_MAX - urgentPriority });
      await producer.publish("urgent", { priority: urgentPriority });
      await middle.requeue();
      assert.deepEqual(
        (await drainPayloads(connection, queue)).filter((body) => body !== "middle"),
        ["urgent", "patient"],
      );
      await producer.publish("late", { priority: PRIORITY_MAX - urgentPriority });
      const late = await getOne(connection, queue);
      await producer.publish("urgent", { priority: urgentPriority });
      await late.requeue();
      assert.deepEqual(await drainPayloads(connection, queue), ["urgent", "late"]);
    },
  ),

  "a priority beyond 0 to 9 is the nearest of them, and what is no number 0": needing(
    ["urgentPriority", "envelopes"],
    async (connection) => {
      const { urgentPriority } = await connection.manifest();
      const queue = await declareQueue(connection, "q");
      const producer = connection.producer({ routingKey: "q" });
      for (const priority of ["junk", 12, -5]) {
        await producer.publish(String(priority), { properties: { priority: priority as number } });
      }
      const expected = urgentPriority === 0 ? ["junk", "-5", "12"] : ["12", "junk", "-5"];
      assert.deepEqual(await drainPayloads(connection, queue), expected);
    },
  ),

  "without a priority a message has 0": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    assert.equal((await getOne(connection, queue)).properties.priority, 0);
  },
};
