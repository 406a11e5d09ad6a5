import assert from "node:assert/strict";
import { encodeEnvelope } from "../envelope.js";
import { type Cases, needing } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOne, rejectsWith } from "./support.js";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Things that a queue may hold beside kombu's envelopes. */
const FOREIGN: Readonly<Record<string, Uint8Array>> = {
  "JSON of an application": bytes('{"order": 7}'),
  "an envelope without a delivery tag": bytes('{"body": "aGk=", "properties": {}}'),
  "an envelope whose body is an object": bytes('{"body": {}, "properties": {"delivery_tag": "t"}}'),
  "bytes that are no text": Uint8Array.from([0xff, 0xfe, 0x00, 0x01]),
  nothing: new Uint8Array(0),
};

/** Tasks of programs that do not know kombu, in both directions. */
export const rawCases: Cases = {
  ...Object.fromEntries(
    Object.entries(FOREIGN).map(([what, stored]) => [
      `${what} arrives raw, byte for byte`,
      async (connection, broker) => {
        await declareQueue(connection, "q");
        await broker.putRaw("q", stored);
        const message = await getOne(connection, "q");
        assert.equal(message.raw, true);
        assert.ok(Buffer.from(message.body).equals(stored));
        assert.ok(message.payload instanceof Uint8Array);
        await message.ack();
        assert.deepEqual(await drainPayloads(connection, "q"), []);
      },
    ]) satisfies [string, Cases[string]][],
  ),

  "json() and text() read a raw message": async (connection, broker) => {
    await declareQueue(connection, "q");
    await broker.putRaw("q", FOREIGN["JSON of an application"]!);
    const message = await getOne(connection, "q");
    assert.deepEqual(message.json(), { order: 7 });
    assert.equal(message.text(), '{"order": 7}');
  },

  "json() of what is no JSON is decode_failed": async (connection, broker) => {
    await declareQueue(connection, "q");
    await broker.putRaw("q", bytes("hello"));
    const message = await getOne(connection, "q");
    await rejectsWith((async () => message.json())(), "decode_failed");
  },

  "accept does not refuse a raw message": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await broker.putRaw("q", bytes("hello"));
    const texts: string[] = [];
    const consumer = connection.consumer(queue, {
      accept: ["json"],
      callbacks: [(_body, message) => void texts.push(message.text())],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(texts, ["hello"]);
  },

  "an envelope with only what kombu's readers need is a message": needing(
    ["envelopes"],
    async (connection, broker) => {
      await declareQueue(connection, "q");
      await broker.putRaw("q", bytes('{"body": "hi", "properties": {"delivery_tag": "t"}}'));
      const message = await getOne(connection, "q");
      assert.equal(message.raw, false);
      assert.equal(message.payload, "hi");
    },
  ),

  "an envelope of another program is a message": needing(["envelopes"], async (connection, broker) => {
    await declareQueue(connection, "q");
    const content = {
      ...{ body: bytes('{"a": 1}'), contentType: "application/json", contentEncoding: "utf-8" },
      ...{ headers: { h: 1 }, properties: {}, raw: false },
    };
    const address = { exchange: "theirs", routingKey: "key", deliveryTag: "tag" };
    await broker.putRaw("q", encodeEnvelope(content, address));
    const message = await getOne(connection, "q");
    assert.deepEqual(message.payload, { a: 1 });
    assert.equal(message.deliveryInfo.exchange, "theirs");
    assert.equal(message.deliveryInfo.routingKey, "key");
  }),

  "publish() with envelope: false stores the body alone": async (connection) => {
    await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish({ order: 7 }, { envelope: false });
    await connection.producer({ routingKey: "q", envelope: "raw" }).publish("plain");
    const first = await getOne(connection, "q");
    assert.equal(first.raw, true);
    assert.deepEqual(first.json(), { order: 7 });
    assert.equal((await getOne(connection, "q")).text(), "plain");
  },

  "publish() without an envelope refuses what has no place": async (connection) => {
    await declareQueue(connection, "q");
    const publish = connection
      .producer({ routingKey: "q" })
      .publish("x", { envelope: false, headers: { a: 1 } });
    await rejectsWith(publish, "invalid_argument");
  },
};
