import assert from "node:assert/strict";
import type { Connection } from "../connection.js";
import type { ConsumerOptions, RunOptions } from "../consumer-options.js";
import type { GivenUp } from "../dead-letter-policy.js";
import { isKombuError, type KombuError } from "../errors.js";
import { Exchange } from "../exchange.js";
import type { Message } from "../message.js";
import { Queue } from "../queue.js";
import { type BrokerUnderTest, type Cases, needing } from "./broker-under-test.js";
import {
  declareBound,
  declareQueue,
  drainPayloads,
  getOne,
  getOrNull,
  inTime,
  intoAndAck,
  put,
  rejectsWith,
  whileTimePasses,
} from "./support.js";

/** The consumer's handlers always fail. */
const ALWAYS_FAILS = () => {
  throw new Error("never");
};

/** A pause that no clock has to be turned for. */
const AT_ONCE = { initialMs: 0, maxMs: 0, factor: 1, jitter: 0 };

/** What `x-death` tells of one death; dates and numbers apart. */
function deathsOf({ headers }: Message): unknown {
  const deaths = headers["x-death"] as readonly Record<string, unknown>[];
  return deaths.map(({ count, reason, queue, exchange, "routing-keys": keys, time }) => {
    assert.ok(time instanceof Date || typeof time === "number", "a death has a time");
    return { count: Number(count), reason, queue, exchange, keys };
  });
}

/** Runs a consumer until the queue of dead letters has one, and returns that. */
async function firstDeadLetter(
  connection: Connection,
  broker: BrokerUnderTest,
  queue: Queue,
  options: ConsumerOptions,
  run: RunOptions = {},
): Promise<Message> {
  const stop = new AbortController();
  const running = connection
    .consumer(queue, options)
    .run(ALWAYS_FAILS, { backoff: AT_ONCE, onError: () => {}, ...run, signal: stop.signal });
  const other = broker.connect();
  try {
    return await whileTimePasses(broker, other.simpleQueue("other").get());
  } finally {
    stop.abort();
    await inTime(running);
  }
}

/** Messages that nobody wants, and where they go. */
export const deadLetterCases: Cases = {
  "reject() moves a message to the queue's deadLetterQueue, whole, and says why": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q", { deadLetterQueue: "other" });
    const body = { text: "Thé 葉", list: [1, null] };
    await connection.producer({ routingKey: "q" }).publish(body, {
      ...{ headers: { "x-mine": "kept" }, correlationId: "c-1", priority: 3, expirationMs: 3_600_000 },
    });
    await (await getOne(connection, queue)).reject();
    const letter = await whileTimePasses(broker, broker.connect().simpleQueue("other").get());
    assert.deepEqual(letter.payload, body);
    assert.equal(letter.headers["x-mine"], "kept");
    assert.equal(letter.properties.correlation_id, "c-1");
    assert.equal(letter.properties.priority, 3);
    assert.equal(letter.properties.expiration, undefined);
    assert.equal(letter.deliveryInfo.redelivered, false);
    assert.equal(letter.deliveryInfo.attempts, 1);
    assert.deepEqual(deathsOf(letter), [
      { count: 1, reason: "rejected", queue: "q", exchange: "", keys: ["q"] },
    ]);
    const { "x-first-death-queue": first, "x-first-death-reason": reason } = letter.headers;
    assert.deepEqual({ first, reason }, { first: "q", reason: "rejected" });
    assert.equal(await getOrNull(connection, queue), null);
  },

  "dead letters go through an exchange, with their own key or the queue's": async (connection, broker) => {
    const channel = await connection.channel();
    const dead = new Exchange("dead-letters", "topic");
    await dead.bind(channel).declare();
    const [own, given] = [
      { deadLetterExchange: dead },
      { deadLetterExchange: dead, deadLetterRoutingKey: "given.key" },
    ];
    await declareQueue(connection, "one", own);
    await declareQueue(connection, "two", given);
    await declareQueue(connection, "other", { exchange: dead, routingKey: "#" });
    for (const name of ["one", "two"]) {
      await connection.producer({ routingKey: name }).publish(name);
      await (await getOne(connection, name)).reject();
      const letter = await whileTimePasses(broker, broker.connect().simpleQueue("other").get());
      assert.equal(letter.payload, name);
      assert.equal(letter.deliveryInfo.routingKey, name === "one" ? "one" : "given.key");
      assert.equal(letter.deliveryInfo.exchange, "dead-letters");
      await letter.ack();
    }
  },

  "a message that died before keeps its history, and counts deaths of one kind": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q", { deadLetterQueue: "other" });
    await put(connection, queue, "again");
    for (const count of [1, 2]) {
      await (await getOne(connection, queue)).reject();
      const letter = await whileTimePasses(broker, broker.connect().simpleQueue("other").get());
      assert.deepEqual(deathsOf(letter), [
        { count, reason: "rejected", queue: "q", exchange: "", keys: ["q"] },
      ]);
      await connection.producer({ routingKey: "q" }).publish("again", { headers: letter.headers });
      await letter.ack();
    }
  },

  "run() gives up after attemptsMax, by the consumer's policy": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "poison");
    const starts: unknown[] = [];
    const letter = await firstDeadLetter(
      ...([connection, broker, queue, { deadLetter: { queue: "other" } }] as const),
      { attemptsMax: 3, onError: (error) => void starts.push(error) },
    );
    assert.equal(letter.payload, "poison");
    assert.deepEqual(deathsOf(letter), [
      { count: 1, reason: "delivery_limit", queue: "q", exchange: "", keys: ["q"] },
    ]);
    assert.equal(starts.length, 3);
  },

  "run() sends what cannot be read to the dead letters, and starts no handler": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await connection.producer({ routingKey: "q" }).publish("{", { contentType: "application/json" });
    const errors: unknown[] = [];
    const policy = { deadLetter: { queue: "other" } };
    const letter = await firstDeadLetter(connection, broker, queue, policy, {
      onError: (error) => void errors.push(error),
    });
    assert.equal(letter.text(), "{");
    assert.deepEqual(deathsOf(letter), [
      { count: 1, reason: "undecodable", queue: "q", exchange: "", keys: ["q"] },
    ]);
    assert.ok(errors.every((error) => isKombuError(error, "decode_failed")) && errors.length === 1);
  },

  "a loop and drainEvents send what cannot be read to the dead letters, and go on": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    const policy = { deadLetter: { queue: "other" } };
    for (const good of ["for await", "drainEvents"]) {
      await producer.publish("{", { contentType: "application/json" });
      await producer.publish(good);
    }
    const seen: unknown[] = [];
    for await (const message of connection.consumer(queue, policy)) {
      seen.push(message.payload);
      await message.ack();
      break;
    }
    const callbacks = [intoAndAck(seen)];
    const consumer = connection.consumer(queue, { ...policy, callbacks });
    await consumer.consume();
    await inTime(connection.drainEvents());
    await inTime(connection.drainEvents());
    assert.deepEqual(seen, ["for await", "drainEvents"]);
    const other = broker.connect().simpleQueue("other");
    for (let count = 0; count < 2; count++) await (await whileTimePasses(broker, other.get())).ack();
  },

  "message.reject() follows the consumer's policy, whatever the queue says": async (connection, broker) => {
    const queue = await declareQueue(connection, "q", { deadLetterQueue: "two" });
    await put(connection, queue, "elsewhere", "nowhere");
    for (const deadLetter of [{ queue: "other" }, "drop"] as const) {
      for await (const message of connection.consumer(queue, { deadLetter })) {
        await message.reject();
        break;
      }
    }
    const later = broker.connect();
    assert.equal((await whileTimePasses(broker, later.simpleQueue("other").get())).payload, "elsewhere");
    assert.deepEqual(await drainPayloads(later, "two"), []);
    assert.deepEqual(await drainPayloads(later, queue), []);
  },

  "a policy that is a function is told why, and may settle the message": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "poison");
    const told: unknown[] = [];
    const stop = new AbortController();
    const deadLetter = async (message: Message, { reason, error }: GivenUp) => {
      told.push([message.payload, reason, (error as Error).message]);
      await message.ack();
      stop.abort();
    };
    await inTime(
      connection
        .consumer(queue, { deadLetter })
        .run(ALWAYS_FAILS, { attemptsMax: 1, onError: () => {}, signal: stop.signal }),
    );
    assert.deepEqual(told, [["poison", "delivery_limit", "never"]]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "a message whose dead letter no queue takes stays": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const exchange = await declareBound(connection, "direct", { other: "taken" });
    await put(connection, queue, "kept");
    const consumer = connection.consumer(queue, { deadLetter: { exchange, routingKey: "not taken" } });
    for await (const message of consumer) {
      await rejectsWith(message.reject(), "unroutable");
      break;
    }
    assert.deepEqual(await drainPayloads(connection, queue), ["kept"]);
  },

  "rejecting what somebody else may have by now buries nothing": needing(
    ["takeAway"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q", { deadLetterQueue: "other" });
      await put(connection, queue, "lost");
      const message = await getOne(connection, queue);
      await broker.takeAway?.("q");
      await rejectsWith(message.reject(), "lease_lost");
      assert.equal(await getOrNull(connection, "other"), null);
    },
  ),

  "a raw message goes to the dead letters byte for byte": async (connection, broker) => {
    const bytes = Uint8Array.from([0, 255, 10]);
    const queue = await declareQueue(connection, "q", { deadLetterQueue: "other" });
    await broker.putRaw("q", bytes);
    await (await getOne(connection, queue)).reject();
    const letter = await whileTimePasses(broker, broker.connect().simpleQueue("other").get());
    assert.deepEqual(Uint8Array.from(letter.body), bytes);
  },

  "an expired message goes to the dead letters, and does not expire there": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q", { deadLetterQueue: "other", messageTtlMs: 20_000 });
      const producer = connection.producer({ routingKey: "q" });
      await producer.publish("own", { expirationMs: 10_000 });
      await producer.publish("queue's");
      await broker.advance(11_000);
      assert.equal((await getOne(connection, queue)).payload, "queue's");
      await broker.advance(3_600_000);
      assert.equal(await getOrNull(connection, queue), null);
      const other = broker.connect();
      const letters = [await getOne(other, "other"), await getOne(other, "other")];
      assert.deepEqual(
        letters.map(({ payload }) => payload),
        ["own", "queue's"],
      );
      assert.deepEqual(deathsOf(letters[0]!), [
        { count: 1, reason: "expired", queue: "q", exchange: "", keys: ["q"] },
      ]);
    },
  ),

  "messages that expire in circles are removed": needing(["manualClock"], async (connection, broker) => {
    const back = { deadLetterExchange: "", deadLetterRoutingKey: "one", messageTtlMs: 1_000 };
    const two = new Queue("two", back);
    const one = await declareQueue(connection, "one", { deadLetterQueue: two, messageTtlMs: 1_000 });
    await put(connection, one, "round");
    for (const queue of [one, two]) {
      assert.equal(await connection.simpleQueue(queue).qsize(), 1);
      await broker.advance(2_000);
      assert.equal(await getOrNull(connection, queue), null);
    }
    await broker.advance(2_000);
    assert.equal(await getOrNull(connection, one), null);
    for (const queue of [one, two]) assert.equal(await connection.simpleQueue(queue).qsize(), 0);
  }),

  "deadletterQueue gets what no queue takes, and onWarning is told": async (_connection, broker) => {
    const warnings: KombuError[] = [];
    const connection = broker.connect({
      deadletterQueue: "other",
      onWarning: (warning) => void warnings.push(warning),
    });
    for (const type of ["direct", "topic"] as const) {
      const exchange = await declareBound(connection, type, { one: "taken" });
      const producer = connection.producer({ exchange });
      await producer.publish("routed", { routingKey: "taken" });
      await rejectsWith(producer.publish("strict", { routingKey: "lost", mandatory: true }), "unroutable");
      assert.equal(warnings.length, 0);
      const receipt = await producer.publish({ type }, { routingKey: "lost", headers: { kept: 1 } });
      assert.deepEqual(receipt.queues, ["other"]);
      assert.match(warnings[0]!.message, new RegExp(`${type}-exchange.*lost.*other`));
      assert.equal(warnings.splice(0).length, 1);
      const stray = await whileTimePasses(broker, broker.connect().simpleQueue("other").get());
      assert.deepEqual([stray.payload, stray.headers.kept], [{ type }, 1]);
      await stray.ack();
      assert.equal((await getOne(connection, "one")).payload, "routed");
      await connection.simpleQueue("one").clear();
    }
  },
};
