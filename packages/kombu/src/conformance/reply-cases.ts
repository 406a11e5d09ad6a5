import assert from "node:assert/strict";
import type { Connection } from "../connection.js";
import type { Message } from "../message.js";
import { Queue } from "../queue.js";
import { type CollectRepliesOptions, collectReplies, sendReply } from "../replies.js";
import { type BrokerUnderTest, type Cases, needing } from "./broker-under-test.js";
import {
  declareQueue,
  getOne,
  getOrNull,
  put,
  rejectsWith,
  rejectsWithReason,
  until,
  whileTimePasses,
} from "./support.js";

/** Somebody in another connection who answers requests, until the broker is closed. */
function serve(broker: BrokerUnderTest, queue: Queue, answer: (message: Message) => unknown): void {
  const connection = broker.connect();
  const producer = connection.producer();
  const serving = connection.consumer(queue).run(
    async (message) => {
      await sendReply(message, await answer(message), { producer });
    },
    { concurrency: 10 },
  );
  serving.catch(() => {}); // It ends when the broker is closed.
}

/** Whether a queue is gone for everybody. */
async function isGone(broker: BrokerUnderTest, name: string): Promise<boolean> {
  const queue = new Queue(name).bind(await broker.connect().channel());
  try {
    await queue.declare({ passive: true });
    return false;
  } catch {
    return true;
  }
}

/** A request that is on its way. */
async function getSoon(connection: Connection, name: string): Promise<Message> {
  let request: Message | null = null;
  await until(async () => {
    request = await getOrNull(connection, name);
    return request !== null;
  }, "the request");
  return request!;
}

/** Where a call wants its reply. */
async function replyTo(connection: Connection, name: string): Promise<string> {
  const request = await getSoon(connection, name);
  const { reply_to } = request.properties;
  await request.ack();
  assert.ok(typeof reply_to === "string");
  return reply_to;
}

/** Requests and their replies. */
export const replyCases: Cases = {
  "call() gets the reply to its own request, in whatever order they come": needing(
    ["managesQueues"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      const waiting: (() => void)[] = [];
      serve(broker, queue, async ({ payload }) => {
        // All are here before the first is answered, and the last is answered first.
        const turn = new Promise<void>((resolve) => waiting.unshift(resolve));
        if (waiting.length === 3) for (const go of waiting) go();
        await turn;
        return { asked: payload };
      });
      const rpc = connection.rpc(queue);
      const calls = Promise.all([1, 2, 3].map((n) => rpc.call({ n })));
      const replies = await whileTimePasses(broker, calls);
      assert.deepEqual(
        replies,
        [1, 2, 3].map((n) => ({ asked: { n } })),
      );
    },
  ),

  "call() is over when its time is, and a reply that comes later is nobody's": needing(
    ["managesQueues", "manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      const rpc = connection.rpc(queue);
      const call = rpc.call("early", { timeoutMs: 3_000 });
      call.catch(() => {});
      const other = broker.connect();
      const early = await getSoon(other, "q");
      await rejectsWith(whileTimePasses(broker, call), "timeout");
      await sendReply(early, "late", { producer: other.producer() });
      await early.ack();
      serve(broker, queue, ({ payload }) => payload);
      assert.equal(await whileTimePasses(broker, rpc.call("again")), "again");
    },
  ),

  "a request that nobody took in time is not handled any more": needing(
    ["managesQueues", "manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await rejectsWith(
        whileTimePasses(broker, connection.rpc(queue).call("hi", { timeoutMs: 1_000 })),
        "timeout",
      );
      await broker.advance(1_000);
      assert.equal(await queue.bind(await broker.connect().channel()).get(), null);
    },
  ),

  "call() ends with its signal's reason": needing(["managesQueues"], async (connection) => {
    const queue = await declareQueue(connection, "q");
    const rpc = connection.rpc(queue);
    const reason = new Error("enough");
    await rejectsWithReason(rpc.call(1, { signal: AbortSignal.abort(reason) }), reason);
    const stop = new AbortController();
    const call = rpc.call(2, { signal: stop.signal });
    call.catch(() => {});
    await replyTo(connection, "q").then(() => stop.abort(reason));
    await rejectsWithReason(call, reason);
  }),

  "close() ends waiting calls and removes the queue for replies": needing(
    ["managesQueues"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      const rpc = connection.rpc(queue);
      const call = rpc.call("hi");
      call.catch(() => {});
      const name = await replyTo(broker.connect(), "q");
      await Promise.all([rpc.close(), rpc.close()]);
      await rejectsWith(call, "closed");
      await rejectsWith(rpc.call("hi"), "closed");
      await until(() => isGone(broker, name), "the queue for replies");
    },
  ),

  "closing the connection removes the queue for replies too": needing(
    ["managesQueues"],
    async (connection, broker) => {
      const other = broker.connect();
      const queue = await declareQueue(other, "q");
      const call = connection.rpc(queue).call("hi");
      call.catch(() => {});
      const name = await replyTo(other, "q");
      await connection.close();
      await rejectsWith(call, "closed");
      await until(() => isGone(broker, name), "the queue for replies");
    },
  ),

  "sendReply() writes as the request was written, under its correlation id": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer();
    const options = { routingKey: "q", replyTo: "other", correlationId: "c" };
    await declareQueue(connection, "other");
    for (const serializer of ["json", "yaml"]) {
      await producer.publish("ask", { ...options, serializer });
      const request = await getOne(connection, queue);
      await sendReply(request, "text", { producer, headers: { h: 1 } });
      const reply = await getOne(connection, "other");
      assert.deepEqual(
        [reply.contentType, reply.properties.correlation_id, reply.headers],
        [request.contentType, "c", { h: 1 }],
      );
      await Promise.all([request.ack(), reply.ack()]);
    }
  },

  "sendReply() refuses a request that wants no reply": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "tell");
    const request = await getOne(connection, queue);
    await rejectsWith(sendReply(request, 1, { producer: connection.producer() }), "invalid_argument");
    await request.ack();
  },

  "collectReplies() ends at its limit, and leaves the rest": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3, 4);
    assert.deepEqual(await collect(connection, queue, {}), [1]);
    assert.deepEqual(await collect(connection, queue, { limit: 2, noAck: false }), [2, 3]);
    assert.equal((await getOne(connection, queue)).payload, 4);
  },

  "collectReplies() ends when time is up": needing(["manualClock"], async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    const none = collect(connection, queue, { limit: 2, timeoutMs: 1_000 });
    assert.deepEqual(await whileTimePasses(broker, none), []);
    await put(connection, queue, 1);
    const one = collect(connection, queue, { limit: 2, timeoutMs: 1_000 });
    assert.deepEqual(await whileTimePasses(broker, one), [1]);
  }),

  "collectReplies() fails with its signal's reason": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const reason = new Error("enough");
    await rejectsWithReason(collect(connection, queue, { signal: AbortSignal.abort(reason) }), reason);
  },

  "collectReplies() removes a queue that was for this alone": needing(
    ["managesQueues"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q", { autoDelete: true });
      await put(connection, queue, 1);
      assert.deepEqual(await collect(connection, queue, {}), [1]);
      await until(() => isGone(broker, "q"), "the queue");
    },
  ),
};

async function collect(
  connection: Connection,
  queue: Queue,
  options: CollectRepliesOptions,
): Promise<unknown[]> {
  const replies: unknown[] = [];
  for await (const reply of collectReplies(await connection.channel(), queue, options)) replies.push(reply);
  return replies;
}
