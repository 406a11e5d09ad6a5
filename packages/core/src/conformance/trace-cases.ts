import assert from "node:assert/strict";
import { outcomes, soleValue } from "./expect.js";
import { insertOne, LONG_MS, leaseOne, look, QUEUE, TRACE, textBytes } from "./samples.js";
import { type CaseBody, type Cases, needing } from "./store-under-test.js";

const living = (run: CaseBody) => needing(["managesLife"], run);
const payload = textBytes("payload");

/** A producer's trace context goes where its task goes. */
export const traceCases: Cases = {
  "insert() keeps the trace context, and every answer hands it back": living(async ({ store }) => {
    const contextOf = (
      task: { traceparent?: string | undefined; tracestate?: string | undefined } | undefined,
    ) => ({
      traceparent: task?.traceparent,
      tracestate: task?.tracestate,
    });
    const inserted = await insertOne(store, { idempotencyKey: "key", ...TRACE });
    assert.deepEqual(contextOf(inserted), TRACE);
    assert.deepEqual(contextOf(await insertOne(store, { idempotencyKey: "key", ...TRACE })), TRACE);
    const { id, retryCount, ...leased } = await leaseOne(store);
    assert.deepEqual(contextOf(leased), TRACE);
    const renewal = { id, retryCount, leaseMs: LONG_MS };
    assert.deepEqual(contextOf(soleValue(await store.extend(QUEUE, [renewal]))), TRACE);
    assert.deepEqual(contextOf(await look(store, id)), TRACE);
    assert.deepEqual(contextOf((await store.peek(QUEUE, { limit: 1 })).tasks[0]), TRACE);
  }),

  "insert() without a trace context, or without its state, adds none": living(async ({ store }) => {
    const { traceparent } = TRACE;
    await insertOne(store, { id: "a" });
    await insertOne(store, { id: "b", traceparent });
    assert.equal((await look(store, "a"))?.traceparent, undefined);
    const b = await look(store, "b");
    assert.equal(b?.traceparent, traceparent);
    assert.equal(b.tracestate, undefined);
  }),

  "insert() refuses a trace context that is none, item by item": living(async ({ store }) => {
    const { traceparent, tracestate } = TRACE;
    const contexts = [
      { traceparent: traceparent.toUpperCase() },
      { traceparent: `${traceparent}-more` },
      { traceparent: "00-00000000000000000000000000000000-b7ad6b7169203331-01" },
      { traceparent: "" },
      { tracestate },
      { traceparent, tracestate: "no list" },
      { traceparent, tracestate: `a=${"b".repeat(600)}` },
      { traceparent, tracestate: "a=1, b=2" },
    ];
    const results = await store.insert(
      QUEUE,
      contexts.map((context) => ({ payload, ...context })),
    );
    assert.deepEqual(outcomes(results), [...Array(7).fill("invalid_argument"), "ok"]);
  }),
};
