import { DEFAULT_QUEUE_SETTINGS, openMemoryStore } from "@pullqueue/core";
import {
  Connection,
  type ConsumerOptions,
  Exchange,
  Queue,
  type QueueOptions,
  VirtualTransport,
} from "@pullqueue/kombu";
import { describe, expect, it, onTestFinished, vi } from "vitest";

const consumerOf = (deadLetter: unknown) => () => {
  const options = { deadLetter } as ConsumerOptions;
  return new Connection("memory://").consumer(new Queue("jobs"), options);
};

describe("deadLetter", () => {
  it.each([
    ["a queue and an exchange", { queue: "dead", exchange: "x" }],
    ["a misspelt name", { que: "dead" }],
    ["an empty queue", { queue: "" }],
    ["another word", "ignore"],
    ["a queue with a key", { queue: "dead", routingKey: "k" }],
  ])("refuses %s", (_what, policy) => {
    expect(consumerOf(policy)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });

  it("refuses to send a queue's dead letters back into it, also a queue that is added later", async () => {
    expect(consumerOf({ queue: "jobs" })).toThrow(/cannot send its dead letters there/);
    await using connection = new Connection("memory://");
    const consumer = connection.consumer(new Queue("jobs"), { deadLetter: { queue: "dead" } });
    await expect(consumer.addQueue(new Queue("dead"))).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("a queue's dead letters", () => {
  it("become RabbitMQ's arguments", () => {
    const argumentsOf = (options: QueueOptions) => new Queue("q", options).queueArguments;
    const target = (exchange: string, key?: string) => ({
      "x-dead-letter-exchange": exchange,
      ...(key === undefined ? {} : { "x-dead-letter-routing-key": key }),
    });
    expect(argumentsOf({ deadLetterQueue: "dead" })).toEqual(target("", "dead"));
    expect(argumentsOf({ deadLetterQueue: new Queue("dead") })).toEqual(target("", "dead"));
    expect(argumentsOf({ deadLetterExchange: "x" })).toEqual(target("x"));
    const exchange = new Exchange("x", "topic");
    expect(argumentsOf({ deadLetterExchange: exchange, deadLetterRoutingKey: "k" })).toEqual(
      target("x", "k"),
    );
    const plain = new Queue("q", { deadLetterQueue: "dead" }).toJSON();
    expect(Queue.from(plain).queueArguments).toEqual(target("", "dead"));
  });

  it.each<[string, QueueOptions]>([
    ["a queue and an exchange", { deadLetterQueue: "dead", deadLetterExchange: "x" }],
    ["a key without an exchange", { deadLetterRoutingKey: "k" }],
    ["itself", { deadLetterQueue: "q" }],
    ["itself by the default exchange", { deadLetterExchange: "", deadLetterRoutingKey: "q" }],
  ])("cannot go to %s", (_what, options) => {
    expect(() => new Queue("q", options)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });
});

it("without onWarning each different warning is shown once as the process's", async () => {
  const shown = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  onTestFinished(() => shown.mockRestore());
  await using connection = new Connection("memory://warned?deadletterQueue=lost");
  const producer = connection.producer({ exchange: new Exchange("x") });
  for (const routingKey of ["a", "a", "b"]) await producer.publish("hi", { routingKey });
  expect(shown.mock.calls.map(([warning]) => String(warning))).toEqual([
    expect.stringMatching(/"a".*"lost"/),
    expect.stringMatching(/"b".*"lost"/),
  ]);
});

it("reject() heeds the dead_letter_queue that the store's operator gave a queue, where none was declared", async () => {
  const store = openMemoryStore();
  const key = { project: "p", queue: "jobs" };
  await store.putQueue(key, { ...DEFAULT_QUEUE_SETTINGS, deadLetterQueue: "operators" });
  const lease = { leaseMs: 60_000, pollingIntervalMs: 1000, numTasks: undefined, holdMsMax: undefined };
  await using connection = new Connection({
    transport: async (context) =>
      new VirtualTransport({
        ...{ store, name: "virtual", project: "p", context },
        lease: { ...lease, deadletterQueue: undefined },
      }),
  });
  const jobs = connection.simpleQueue(new Queue("jobs"));
  await jobs.put("poison");
  await (await jobs.get()).reject();
  const letter = await connection.simpleQueue(new Queue("operators")).getNowait();
  expect(letter.payload).toBe("poison");
  expect(letter.headers["x-death"]).toMatchObject([{ queue: "jobs", reason: "rejected" }]);
});
