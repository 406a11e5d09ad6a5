import { setTimeout as pause } from "node:timers/promises";
import { Connection, isKombuError, isLeaseLost, type Message, type Producer, Queue } from "@pullqueue/kombu";
import { expect } from "vitest";
import { startChild } from "../../src/child.js";
import type { OutageBroker, OutageManner } from "../../src/outages/outage-broker.js";
import { OutageLedger } from "../../src/outages/outage-ledger.js";
import { programPath } from "../../src/program-path.js";

/** What happens to programs while their broker is away, and when it is back. */

/** Consumers go on within this long of the broker's return, in milliseconds; and what a busy machine may take on top of that. */
const REJOIN_MS = 2_000;
const SLACK_MS = 2_000;

/** How long a short outage lasts, in milliseconds: several tries of everybody. */
const SHORT_MS = 1_500;

/** How long a long one lasts, in milliseconds: pauses between tries have grown to their longest. */
const LONG_MS = 10_000;

/** How long a publish may take that has a deadline, in milliseconds, and how late it may be on a busy machine. */
const DEADLINE_MS = 500;
const LATE_MS = 1_500;

/** How long closing may wait for a broker that is away, in milliseconds. */
const CLOSE_MS = 5_000;

/** The part of one core that a program may use while its broker is away. */
const BURN_MAX = 0.15;

/** Programs of messages that are on their way at once, and how many wait for their handlers. */
const LANES = 4;
const WINDOW = 20;

/** Between two publishes of a lane, in milliseconds: there is no need to fill the machine. */
const PACE_MS = 5;

/** Before the same is tried again that has failed, in milliseconds. */
const AGAIN_MS = 100;

/** Failures that an outage may bring to those who publish. */
const OUTAGE_CODES = ["unavailable", "timeout"];

/** What such a failure says: where the message went, or that its broker cannot be had. */
const OUTAGE_TEXT =
  /:\/\/\S+ did not confirm the message within \d+ ms|cannot be reached|does not answer|locked|starting up/;

let names = 0;

/** A queue of one's own, as it stays over restarts. */
function newQueue(): Queue {
  return new Queue(`outages-${names++}`);
}

/** Says how long something took, for those who look at the log. */
function tell(what: string, ms: number): void {
  process.stdout.write(`${what}: ${Math.round(ms)} ms\n`);
}

/** Programs that start before their broker. */
export async function startsBefore(name: string, broker: OutageBroker): Promise<void> {
  const manner = broker.manners[0]!;
  const queue = newQueue();
  const ledger = new OutageLedger();
  await using outage = await broker.begin(manner);
  await using connection = new Connection(broker.target(manner));
  const producer = connection.producer({ routingKey: queue.name });
  await failsByDeadline(producer.publish(-1, { declare: [queue], timeoutMs: DEADLINE_MS }));
  const patient = untilStored(producer, { number: 0, queue, ledger, broker });
  await using consuming = new Connection(broker.target(manner));
  const consumer = handle(consuming, queue, ledger);
  await pause(LONG_MS / 2); // Pauses grow.
  await outage.end();
  const backMs = performance.now();
  await ledger.until(() => ledger.handled.has(0));
  const tookMs = performance.now() - backMs;
  tell(`${name}, started before its broker: first message`, tookMs);
  expect(tookMs).toBeLessThan(REJOIN_MS + SLACK_MS);
  await patient;
  await consumer.end();
  expect(ledger.complaints).toEqual([]);
}

/** Publishing, receiving and acknowledging go on while the broker goes away and comes back. */
export async function livesThrough(name: string, broker: OutageBroker, manner: OutageManner): Promise<void> {
  const queue = newQueue();
  const ledger = new OutageLedger();
  await using consuming = new Connection(broker.target(manner));
  await using publishing = new Connection(broker.target(manner));
  // RabbitMQ that is killed may not have written an acknowledgement to its disk.
  const consumer = handle(consuming, queue, ledger, () => broker.knowsKeys || manner !== "kill");
  const publisher = publish(publishing, queue, ledger, broker);
  await ledger.until(() => ledger.acknowledged >= 3 * WINDOW);
  await using outage = await broker.begin(manner);
  await pause(SHORT_MS);
  await outage.end();
  const [backMs, before] = [performance.now(), publisher.next];
  await ledger.until(() => [...ledger.handled].some((number) => number >= before));
  const tookMs = performance.now() - backMs;
  tell(`${name}, ${manner}: first new message`, tookMs);
  const acknowledged = ledger.acknowledged;
  await ledger.until(() => ledger.acknowledged >= acknowledged + 3 * WINDOW);
  await publisher.end();
  await ledger.until(() => ledger.outstanding === 0);
  await consumer.end();
  expect(ledger.complaints).toEqual([]);
  if (manner !== "silence") expect(tookMs).toBeLessThan(REJOIN_MS + SLACK_MS);
}

/** Consumers that wait while the broker is away for long burn nothing, and are there when it is back. */
export async function waitsLong(name: string, broker: OutageBroker): Promise<void> {
  const manner = broker.manners[0]!;
  const queue = newQueue();
  const target = JSON.stringify(broker.target(manner));
  await using child = startChild(process.execPath, [programPath("outage-consumers"), target, queue.name]);
  await child.line(/^ready$/, 20_000);
  const put = async (body: string) => {
    await using connection = new Connection(broker.target(manner));
    await connection.producer({ routingKey: queue.name }).publish(body, { declare: [queue] });
  };
  await put("first");
  await child.line(/^got first$/, 20_000);
  await using outage = await broker.begin(manner);
  await pause(1_000); // What a loss takes once is not what waiting takes.
  child.write("before");
  const [, before] = await child.line(/^before (\d+)$/, 20_000);
  await pause(LONG_MS);
  child.write("after");
  const [, after] = await child.line(/^after (\d+)$/, 20_000);
  const burntMs = Number(after) - Number(before);
  await outage.end();
  const backMs = performance.now();
  await put("second");
  await child.line(/^got second$/, 60_000);
  const tookMs = performance.now() - backMs;
  tell(`${name}, away for ${LONG_MS} ms: processor time`, burntMs);
  tell(`${name}, away for ${LONG_MS} ms: first message`, tookMs);
  expect(tookMs).toBeLessThan(REJOIN_MS + SLACK_MS);
  expect(burntMs).toBeLessThan(LONG_MS * BURN_MAX);
  child.endInput();
  expect(await child.exited(20_000)).toEqual({ code: 0, signal: null });
}

/** A message that is held while the broker goes away. */
export async function acknowledgesLate(name: string, broker: OutageBroker): Promise<void> {
  const manner = broker.manners[0]!;
  const queue = newQueue();
  await using connection = new Connection(broker.target(manner));
  const producer = connection.producer({ routingKey: queue.name });
  for (const body of ["held", "left"]) await producer.publish(body, { declare: [queue] });
  const bound = queue.bind(await connection.channel());
  const message = (await bound.get())!;
  await using leaving = new Connection(broker.target(manner));
  expect((await queue.bind(await leaving.channel()).get())?.payload).toBe("left");
  await using outage = await broker.begin(manner);
  const acking = outcomeOf(message.ack());
  const startMs = performance.now();
  await leaving.close();
  const tookMs = performance.now() - startMs;
  tell(`${name}, closing while it is away`, tookMs);
  expect(tookMs).toBeLessThan(CLOSE_MS + SLACK_MS);
  await outage.end();
  const error = await acking;
  const isLost = error !== undefined && (await isLostFor(message, error));
  // What was not acknowledged comes again, and the message of the connection that has gone.
  const bodies = new Set<unknown>();
  const expected = isLost ? ["held", "left"] : ["left"];
  await using after = new Connection(broker.target(manner));
  const simple = after.simpleQueue(queue);
  while (bodies.size < expected.length) {
    const again = await simple.get({ timeoutMs: 30_000 });
    bodies.add(again.payload);
    await again.ack();
  }
  expect([...bodies].toSorted()).toEqual(expected);
  expect(await simple.qsize()).toBe(0);
}

/** Whether the message is not ours any more; one that may still be is acknowledged again, which is harmless. */
async function isLostFor(message: Message, error: unknown): Promise<boolean> {
  if (isLeaseLost(error)) return true;
  expect(isKombuError(error) && OUTAGE_CODES.includes(error.code)).toBe(true);
  const again = await outcomeOf(message.ack());
  if (again !== undefined) expect(isLeaseLost(again), String(again)).toBe(true);
  return again !== undefined;
}

/** Undefined when it went well, else what went wrong. */
async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return error;
  }
}

async function failsByDeadline(call: Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  const error = await outcomeOf(call);
  expect(performance.now() - startMs).toBeLessThan(DEADLINE_MS + LATE_MS);
  expect(isKombuError(error) && OUTAGE_CODES.includes(error.code), String(error)).toBe(true);
  expect(String(error)).toMatch(OUTAGE_TEXT);
}

/** A consumer that acknowledges until the broker says what has become of the message. */
function handle(connection: Connection, queue: Queue, ledger: OutageLedger, keepsAcks = () => true) {
  const stop = new AbortController();
  const handler = async (message: Message) => {
    const number = message.payload as number;
    ledger.began(number);
    for (;;) {
      const error = await outcomeOf(message.ack());
      if (error === undefined) {
        if (!keepsAcks()) ledger.mayComeTwice(number);
        ledger.done(number);
        return;
      }
      if (isLeaseLost(error)) return;
      if (!isKombuError(error) || !OUTAGE_CODES.includes(error.code))
        ledger.complain(`ack: ${String(error)}`);
      await pause(AGAIN_MS);
    }
  };
  const onError = (error: unknown) => {
    if (!isKombuError(error)) ledger.complain(`run: ${String(error)}`);
  };
  const running = connection
    .consumer(queue)
    .run(handler, { concurrency: LANES, signal: stop.signal, onError })
    .catch((error: unknown) => ledger.complain(`run ended: ${String(error)}`));
  return {
    end: async () => {
      stop.abort();
      await running;
    },
  };
}

/** What is published. */
interface Numbered {
  readonly number: number;
  readonly queue: Queue;
  readonly ledger: OutageLedger;
  readonly broker: OutageBroker;
  /** Default: as long as the broker may take. */
  readonly timeoutMs?: number;
}

/** Publishes a number until the broker has it. */
async function untilStored(
  producer: Producer,
  { number, queue, ledger, broker, timeoutMs }: Numbered,
): Promise<void> {
  const key = broker.knowsKeys ? { idempotencyKey: `${queue.name}/${number}` } : {};
  for (;;) {
    const error = await outcomeOf(producer.publish(number, { ...key, declare: [queue], timeoutMs }));
    if (error === undefined) return ledger.stored(number);
    if (!isKombuError(error) || !OUTAGE_CODES.includes(error.code))
      ledger.complain(`publish: ${String(error)}`);
    if (!broker.knowsKeys) ledger.mayComeTwice(number);
    await pause(AGAIN_MS);
  }
}

/** Publishes numbers, in several lanes, a few ahead of the handlers. */
function publish(connection: Connection, queue: Queue, ledger: OutageLedger, broker: OutageBroker) {
  const producer = connection.producer({ routingKey: queue.name });
  const state = { next: 0, isOver: false };
  const lane = async () => {
    while (!state.isOver) {
      await ledger.until(() => ledger.outstanding < WINDOW);
      await untilStored(producer, { number: state.next++, queue, ledger, broker, timeoutMs: DEADLINE_MS });
      await pause(PACE_MS);
    }
  };
  const lanes = Array.from({ length: LANES }, lane);
  return {
    get next() {
      return state.next;
    },
    end: async () => {
      state.isOver = true;
      await Promise.all(lanes);
    },
  };
}
