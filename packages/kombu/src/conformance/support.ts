import assert from "node:assert/strict";
import type { Connection } from "../connection.js";
import type { MessageCallback } from "../consumer-options.js";
import type { ExchangeType } from "../definitions.js";
import { isKombuError, type KombuErrorCode } from "../errors.js";
import { Exchange } from "../exchange.js";
import type { Message } from "../message.js";
import { Queue, type QueueOptions } from "../queue.js";
import type { PublishReceipt } from "../transport.js";
import type { BrokerUnderTest } from "./broker-under-test.js";

/** How long a call that should be quick may take, in milliseconds of real time, before its case fails. */
const PATIENCE_MS = 40_000;

/** A step of a clock that is turned by hand, in milliseconds: what brokers wait between two looks, or more. */
const STEP_MS = 100;

/** Most such steps: what ends only after minutes does not end by itself. */
const STEPS_MAX = 100;

/** The call must fail with a `KombuError` of this code. */
export async function rejectsWith(call: Promise<unknown>, code: KombuErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(isKombuError(error), `expected a KombuError with the code ${code}, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** The call must fail with exactly this value. */
export async function rejectsWithReason(call: Promise<unknown>, reason: unknown): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.equal(error, reason, "the signal's reason must come through unchanged");
    return true;
  });
}

/** Declares queues named after their routing keys, bound to an exchange of this type. */
export async function declareBound(
  connection: Connection,
  type: ExchangeType,
  bindings: Readonly<Record<string, string>>,
): Promise<Exchange> {
  const channel = await connection.channel();
  const exchange = new Exchange(`${type}-exchange`, type);
  await exchange.bind(channel).declare();
  for (const [name, routingKey] of Object.entries(bindings)) {
    await new Queue(name, { exchange, routingKey }).bind(channel).declare();
  }
  return exchange;
}

/** Whether the receipt names these queues, or, where the broker does not name them, says rightly that there are some. */
export function assertQueues(receipt: PublishReceipt, expected: readonly string[]): void {
  if (receipt.queues === undefined) assert.notEqual(expected.length, 0, "no queue took it");
  else assert.deepEqual([...receipt.queues].sort(), [...expected].sort());
}

/** Declares one queue on the default exchange. */
export async function declareQueue(
  connection: Connection,
  name: string,
  options?: QueueOptions,
): Promise<Queue> {
  const queue = new Queue(name, options);
  await queue.bind(await connection.channel()).declare();
  return queue;
}

/** The message of a queue that must have one. */
export async function getOne(connection: Connection, queue: Queue | string): Promise<Message> {
  const message = await getOrNull(connection, queue);
  assert.ok(message !== null, "the queue has no message to give");
  return message;
}

/** The message of a queue, or null. */
export async function getOrNull(connection: Connection, queue: Queue | string): Promise<Message | null> {
  const entity = queue instanceof Queue ? queue : new Queue(queue);
  return entity.bind(await connection.channel()).get();
}

/** The payloads of all messages that a queue can give now, oldest first; they are acknowledged. */
export async function drainPayloads(connection: Connection, queue: Queue | string): Promise<unknown[]> {
  const payloads: unknown[] = [];
  for (;;) {
    const message = await getOrNull(connection, queue);
    if (message === null) return payloads;
    payloads.push(message.payload);
    await message.ack();
  }
}

/** Publishes to a queue through the default exchange. */
export async function put(
  connection: Connection,
  queue: Queue,
  ...bodies: readonly unknown[]
): Promise<void> {
  const producer = connection.producer({ routingKey: queue.name });
  for (const body of bodies) await producer.publish(body);
}

/** Awaits a call that must come to an end by itself. */
export async function inTime<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a condition holds that nothing signals. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const started = performance.now(); performance.now() - started < PATIENCE_MS; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.fail(`${what}: not within ${PATIENCE_MS} ms`);
}

/** Awaits a call that must come to an end, while the broker's clock moves on a little: some brokers look now and then. */
export async function whileTimePasses<T>(broker: BrokerUnderTest, call: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  call.then(end, end);
  let steps = 0;
  await until(async () => {
    if (broker.manualClock && !isOver && steps++ < STEPS_MAX) await broker.advance(STEP_MS);
    return isOver;
  }, "the call");
  return call;
}

/** A callback that keeps the body and acknowledges the message. */
export function intoAndAck(bodies: unknown[]): MessageCallback {
  return (body, message) => {
    bodies.push(body);
    return message.ack();
  };
}
