import assert from "node:assert/strict";
import { isKombuError } from "../errors.js";
import { Queue } from "../queue.js";
import type { Schema } from "../schema.js";
import type { Cases } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOne, put, rejectsWith } from "./support.js";

/** Text, which consumers get in capitals, so that one sees that they were asked. */
const CAPITALS: Schema<string> = {
  "~standard": {
    version: 1,
    vendor: "conformance",
    validate: (value) =>
      typeof value === "string" ? { value: value.toUpperCase() } : { issues: [{ message: "no text" }] },
  },
};

const TRACE = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "vendor=1",
};

/** What lies above the broker, and must come through it. */
export const contentCases: Cases = {
  "a queue's schema refuses what does not fit before it is stored": async (connection) => {
    const plain = await declareQueue(connection, "q");
    const guarded = connection.simpleQueue(new Queue("q", { schema: CAPITALS }));
    await rejectsWith(guarded.put(1 as unknown as string), "schema_mismatch");
    await guarded.put("fits");
    assert.deepEqual(await drainPayloads(connection, plain), ["fits"]);
  },

  "a queue's schema guards its consumer against what others stored": async (connection) => {
    const plain = await declareQueue(connection, "q");
    const guarded = new Queue("q", { schema: CAPITALS });
    await put(connection, plain, 1, "fits");
    const unfit = await getOne(connection, guarded);
    assert.throws(
      () => unfit.payload,
      (error) => isKombuError(error) && error.code === "schema_mismatch",
    );
    assert.equal(unfit.json(), 1);
    await unfit.reject();
    assert.deepEqual(await drainPayloads(connection, guarded), ["FITS"]);
  },

  "the trace context of the headers stands in deliveryInfo, also after the message was given back": async (
    connection,
  ) => {
    const queue = await declareQueue(connection, "q");
    await connection.producer({ routingKey: "q" }).publish("hi", { headers: TRACE });
    const first = await getOne(connection, queue);
    await first.requeue();
    for (const { headers, deliveryInfo } of [first, await getOne(connection, queue)]) {
      const { traceparent, tracestate } = deliveryInfo;
      assert.deepEqual({ traceparent, tracestate }, TRACE);
      assert.equal(headers.traceparent, TRACE.traceparent);
    }
  },

  "headers that are no trace context are none": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await connection.producer({ routingKey: "q" }).publish("hi", { headers: { traceparent: "none" } });
    const { headers, deliveryInfo } = await getOne(connection, queue);
    assert.equal(headers.traceparent, "none");
    assert.equal(deliveryInfo.traceparent, undefined);
  },
};
