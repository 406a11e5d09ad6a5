import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it } from "vitest";
import { Binding } from "../src/binding.js";
import {
  exchangeAsDict,
  exchangeFromDict,
  type QueueDict,
  queueAsDict,
  queueFromDict,
} from "../src/entity-dict.js";
import { isKombuError } from "../src/errors.js";
import { Exchange } from "../src/exchange.js";
import { Queue } from "../src/queue.js";

const script = fileURLToPath(new URL("python/entities.py", import.meta.url));

function python(jobs: readonly (readonly unknown[])[]): readonly QueueDict[] {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [script], {
    encoding: "utf8",
    input: JSON.stringify(jobs),
  });
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

const topic = new Exchange("x", "topic", { durable: false, deliveryMode: "transient", arguments: { a: 1 } });

const QUEUES: readonly Queue[] = [
  new Queue("plain"),
  new Queue("q", {
    ...{ exchange: topic, routingKey: "a.*", noAck: true, alias: "mine", exclusive: true },
    ...{ expiresMs: 3000, messageTtlMs: 2500, maxLength: 7, queueArguments: { "x-queue-type": "classic" } },
    ...{ bindingArguments: { b: 1 }, consumerArguments: { "x-priority": 2 } },
  }),
  new Queue("several", {
    bindings: [
      new Binding("f", { arguments: { c: 1 }, unbindArguments: { d: 2 } }),
      new Binding(topic, { routingKey: "k", arguments: { b: 1 } }),
    ],
  }),
];

/** Options as they stand in a Celery configuration. */
const OPTIONS: readonly QueueDict[] = [
  {},
  { exchange: "tasks", exchange_type: "topic", binding_key: "task.#" },
  { exchange: "tasks", routing_key: "r", durable: false, auto_delete: true, delivery_mode: 1 },
  { exchange: "e", binding_key: "b", routing_key: "r", exchange_durable: false, queue_durable: true },
  { exchange: "e", durable: true, exchange_auto_delete: true, queue_auto_delete: false, no_ack: true },
  { exclusive: true, queue_arguments: { q: 1 }, binding_arguments: { b: 1 }, consumer_arguments: { c: 1 } },
  { exchange: "e", exchange_arguments: { e: 1 }, exchange_type: "fanout" },
];

/** Absent is absent, however it is written. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, member]) => [name, bare(member)] as const);
  const isSaid = (member: unknown) =>
    member !== null && member !== false && JSON.stringify(member) !== "{}" && JSON.stringify(member) !== "[]";
  return Object.fromEntries(entries.filter(([, member]) => isSaid(member)));
}

describe("queueFromDict()", () => {
  it("reads what queueAsDict() writes, through JSON", () => {
    for (const queue of QUEUES) {
      const dict = JSON.parse(JSON.stringify(queueAsDict(queue))) as QueueDict;
      expect(queueFromDict(queue.name, dict).toJSON()).toEqual(queue.toJSON());
    }
  });

  it("reads durations in seconds, and numbers that Python writes as null", () => {
    const queue = queueFromDict("q", { expires: 3.5, message_ttl: 2, max_length: 7, max_priority: null });
    expect(queue.queueArguments).toEqual({ "x-expires": 3500, "x-message-ttl": 2000, "x-max-length": 7 });
  });

  it.each([
    [{ routingKey: "k" }, 'the dict of queue "q" has no option routingKey (did you mean routing_key?)'],
    [{ durable: "yes" }, 'durable must be true or false, got "yes"'],
    [{ exchange: { type: "direkt" } }, 'must be one of "direct", "topic", "fanout", "headers"'],
    [{ exchange: "e", bindings: [{}] }, "the exchange of a binding's dict must be an object"],
  ])("refuses %o", (dict, message) => {
    expect(() => queueFromDict("q", dict as QueueDict)).toThrow(message);
    expect(
      isKombuError(
        errorOf(() => queueFromDict("q", dict as QueueDict)),
        "invalid_argument",
      ),
    ).toBe(true);
  });
});

describe("exchangeFromDict()", () => {
  it("reads what exchangeAsDict() writes, through JSON", () => {
    const dict = JSON.parse(JSON.stringify(exchangeAsDict(topic)));
    expect(exchangeFromDict(dict).equals(topic)).toBe(true);
    expect(dict).toMatchObject({ auto_delete: false, delivery_mode: 1, no_declare: false, type: "topic" });
  });
});

describe.skipIf(isMissing("python3-kombu"))("entities and real kombu", () => {
  it("queueFromDict() makes of options what Queue.from_dict makes of them", () => {
    const theirs = python(OPTIONS.map((options) => ["from_dict", "q", options]));
    const ours = OPTIONS.map((options) => queueAsDict(queueFromDict("q", options)));
    expect(ours.map(bare)).toEqual(theirs.map(bare));
  });

  it("queueAsDict() writes what kombu makes the same queue of, and queueFromDict() reads its as_dict", () => {
    const theirs = python(QUEUES.map((queue) => ["queue", queueAsDict(queue)]));
    expect(theirs.map(bare)).toEqual(QUEUES.map((queue) => bare(queueAsDict(queue))));
    const read = theirs.map((dict) => queueFromDict(dict.name ?? "", dict));
    expect(read.map((queue, index) => queue.equals(QUEUES[index]!))).toEqual([true, true, true]);
  });
});

function errorOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
