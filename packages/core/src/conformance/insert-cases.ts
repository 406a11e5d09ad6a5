import assert from "node:assert/strict";
import {
  BATCH_ITEMS_MAX,
  DELAY_MS_MAX,
  GENERATED_ID_PATTERN,
  PAYLOAD_BYTES_MAX,
  TAG_BYTES_MAX,
} from "../limits.js";
import { ids, only, outcomes, sameBytes, values } from "./expect.js";
import {
  insertAll,
  insertOne,
  lease,
  leaseOne,
  look,
  ONE_US_IN_MS,
  QUEUE,
  SECOND_MS,
  SECOND_US,
  textBytes,
} from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

const payload = textBytes("payload");
const DAYS_30_US = DELAY_MS_MAX * 1_000;

/** What goes in comes out: payloads, tags, delays, and batches whose items succeed or fail by themselves. */
export const insertCases: Cases = {
  "insert() answers with the task as it is stored": async (sut) => {
    const task = await insertOne(sut.store, { tag: "a tag" });
    assert.deepEqual({ ...task.queue }, QUEUE);
    assert.equal(task.tag, "a tag");
    assert.equal(task.retryCount, 0);
    assert.equal(task.uncounted, 0);
    // Google's wire keeps whole seconds of it.
    const ageUs = sut.nowUs() - task.enqueuedAtUs;
    assert.ok(ageUs >= 0 && ageUs < 60 * SECOND_US, `enqueued ${ageUs} µs ago`);
  },

  "insert() makes an id of the form that callers cannot choose": needing(["fences"], async ({ store }) => {
    assert.match((await insertOne(store)).id, GENERATED_ID_PATTERN);
  }),

  "insert() gives a result for each item, in order": async ({ store }) => {
    const tags = ["one", "two", "three", "four"];
    const stored = await insertAll(
      store,
      tags.map((tag) => ({ tag })),
    );
    assert.deepEqual(
      stored.map(({ tag }) => tag),
      tags,
    );
    assert.equal(new Set(ids(stored)).size, tags.length);
  },

  "insert() of nothing is nothing": async ({ store }) => {
    assert.deepEqual(await store.insert(QUEUE, []), []);
    assert.deepEqual(await lease(store), []);
  },

  "insert() takes the largest batch, and one lease takes it out again": async ({ store }) => {
    const stored = await insertAll(
      store,
      Array.from({ length: BATCH_ITEMS_MAX }, (_, index) => ({ payload: textBytes(String(index)) })),
    );
    const leased = await lease(store, { maxTasks: BATCH_ITEMS_MAX });
    assert.deepEqual(ids(leased), [...ids(stored)].sort());
    const sent = new Map(stored.map(({ id }, index) => [id, String(index)]));
    for (const task of leased) assert.equal(Buffer.from(task.payload).toString(), sent.get(task.id));
  },

  "insert() refuses a bad item without failing its neighbours": async ({ store }) => {
    const results = await store.insert(QUEUE, [
      { payload, tag: "first" },
      { payload, id: "not a valid id" },
      { payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) },
      { payload, tag: "x".repeat(TAG_BYTES_MAX + 1) },
      { payload, delayMs: -1 },
      { payload, tag: "last" },
    ]);
    const bad = "invalid_argument";
    assert.deepEqual(outcomes(results), ["ok", bad, "too_large", bad, bad, "ok"]);
    const leased = await lease(store);
    assert.deepEqual(new Set(leased.map(({ tag }) => tag)), new Set(["first", "last"]));
    assert.equal(leased.length, 2);
  },

  "insert() carries payloads bit for bit: empty, text, not UTF-8, every byte": async ({ store }) => {
    const payloads = [
      new Uint8Array(),
      textBytes('plain {"json": 1} – äöü 🚀'),
      Uint8Array.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0x80]),
      Uint8Array.from({ length: 1_024 }, (_, index) => index & 0xff),
      new Uint8Array(3),
    ];
    for (const sent of payloads) {
      const { id } = await insertOne(store, { payload: sent });
      sameBytes((await look(store, id))?.payload, sent);
      sameBytes((await leaseOne(store)).payload, sent);
    }
  },

  "insert() carries the largest payload bit for bit, and refuses one byte more": async ({ store }) => {
    const largest = Uint8Array.from({ length: PAYLOAD_BYTES_MAX }, (_, index) => (index * 31) & 0xff);
    const results = await store.insert(QUEUE, [
      { payload: largest },
      { payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) },
    ]);
    assert.deepEqual(outcomes(results), ["ok", "too_large"]);
    sameBytes((await leaseOne(store)).payload, largest);
  },

  "insert() takes the bytes of a view, not of the buffer under it": async ({ store }) => {
    const buffer = textBytes("..view..");
    await insertOne(store, { payload: buffer.subarray(2, 6) });
    sameBytes((await leaseOne(store)).payload, textBytes("view"));
  },

  "insert() keeps its own bytes: neither producer nor consumer can change them afterwards": async ({
    store,
  }) => {
    const sent = textBytes("original");
    const { id } = await insertOne(store, { payload: sent });
    sent.fill(0);
    (await leaseOne(store)).payload.fill(0);
    sameBytes((await look(store, id))?.payload, textBytes("original"));
  },

  "insert() changes nothing that it is given": async ({ store }) => {
    const task = Object.freeze({ payload: textBytes("x"), tag: "t", delayMs: 0 });
    const batch = Object.freeze([task, task]);
    assert.equal(values(await store.insert(Object.freeze({ ...QUEUE }), batch)).length, 2);
  },

  "insert() keeps a tag of the most bytes, in whatever letters; no tag and the empty one are different":
    async ({ store }) => {
      const tags = ["x".repeat(TAG_BYTES_MAX), "é".repeat(TAG_BYTES_MAX / 2), "列🚀 a/b?", "", undefined];
      for (const tag of tags) {
        const { id } = await insertOne(store, { tag });
        assert.equal((await look(store, id))?.tag, tag);
        assert.equal((await leaseOne(store)).tag, tag);
      }
    },

  "insert() refuses a tag that is too long in bytes, or not UTF-8": async ({ store }) => {
    for (const tag of [
      "x".repeat(TAG_BYTES_MAX + 1),
      `${"é".repeat(TAG_BYTES_MAX / 2)}x`,
      "🚀".repeat(TAG_BYTES_MAX / 4 + 1),
      "\ud800",
    ]) {
      assert.deepEqual(outcomes(await store.insert(QUEUE, [{ payload, tag }])), ["invalid_argument"]);
    }
    assert.deepEqual(await lease(store), []);
  },

  "insert() hides a task until its delay is over, to the microsecond": needing(
    ["manualClock"],
    async (sut) => {
      const task = await insertOne(sut.store, { delayMs: 10 * SECOND_MS });
      assert.equal(task.etaUs, sut.nowUs() + 10 * SECOND_US);
      await sut.advance(10 * SECOND_MS - ONE_US_IN_MS);
      assert.deepEqual(await lease(sut.store), []);
      await sut.advance(ONE_US_IN_MS);
      assert.equal((await leaseOne(sut.store)).id, task.id);
    },
  ),

  "insert() hides a task until its eta, to the microsecond": needing(["manualClock"], async (sut) => {
    const etaUs = sut.nowUs() + 10 * SECOND_US + 7;
    const task = await insertOne(sut.store, { etaUs });
    assert.equal(task.etaUs, etaUs);
    await sut.advance(10 * SECOND_MS + 6 * ONE_US_IN_MS);
    assert.deepEqual(await lease(sut.store), []);
    await sut.advance(ONE_US_IN_MS);
    assert.equal((await leaseOne(sut.store)).id, task.id);
  }),

  "insert() takes an eta in the past, and a delay of nothing, for now": async (sut) => {
    const past = await insertOne(sut.store, { etaUs: sut.nowUs() - 3_600 * SECOND_US });
    const none = await insertOne(sut.store, { delayMs: 0 });
    const now = await insertOne(sut.store, { etaUs: sut.nowUs() });
    assert.deepEqual(new Set(ids(await lease(sut.store))), new Set(ids([past, none, now])));
  },

  "insert() takes 30 days ahead, and refuses more": needing(["manualClock"], async (sut) => {
    const nowUs = sut.nowUs();
    const results = await sut.store.insert(QUEUE, [
      { payload, etaUs: nowUs + DAYS_30_US },
      { payload, etaUs: nowUs + DAYS_30_US + 1 },
      { payload, delayMs: DELAY_MS_MAX },
      { payload, delayMs: DELAY_MS_MAX + 1 },
    ]);
    assert.deepEqual(outcomes(results), ["ok", "invalid_argument", "ok", "invalid_argument"]);
    await sut.advance(DELAY_MS_MAX - 1);
    assert.deepEqual(await lease(sut.store), []);
    await sut.advance(1);
    assert.equal((await lease(sut.store)).length, 2);
  }),

  "insert() refuses times that are none, and a delay together with an eta": async (sut) => {
    const nowUs = sut.nowUs();
    const results = await sut.store.insert(QUEUE, [
      { payload, etaUs: -1 },
      { payload, etaUs: nowUs + 0.5 },
      { payload, etaUs: Number.NaN },
      { payload, etaUs: Number.POSITIVE_INFINITY },
      { payload, delayMs: -1 },
      { payload, delayMs: Number.NaN },
      { payload, delayMs: Number.POSITIVE_INFINITY },
      { payload, delayMs: 1, etaUs: nowUs },
    ]);
    assert.deepEqual(outcomes(results), Array(8).fill("invalid_argument"));
    assert.deepEqual(await lease(sut.store), []);
  },

  "insert() into one queue is not seen in another": async ({ store }) => {
    const task = await insertOne(store);
    assert.deepEqual(
      await store.lease([{ ...QUEUE, queue: "elsewhere" }], { maxTasks: 10, leaseMs: SECOND_MS }),
      [],
    );
    assert.equal(only(await lease(store)).id, task.id);
  },
};
