import { newIdempotencyKey } from "@pullqueue/core";
import { afterEach, describe, expect, it } from "vitest";
import { Binding } from "../src/binding.js";
import { Connection } from "../src/connection.js";
import type { EntityChannel } from "../src/entity.js";
import { isKombuError } from "../src/errors.js";
import { Exchange } from "../src/exchange.js";
import { Queue } from "../src/queue.js";

/** A real channel, on a memory broker of its own, that writes down what it is asked for. */
async function notebook(): Promise<{ readonly channel: EntityChannel; readonly calls: unknown[][] }> {
  const calls: unknown[][] = [];
  const channel = await connectionOf(`memory://${newIdempotencyKey()}`).channel();
  const noting = new Proxy(channel, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        calls.push([name, ...args.filter((arg) => arg !== undefined)]);
        return member.apply(target, args);
      };
    },
  });
  return { channel: noting, calls };
}

const connections: Connection[] = [];

function connectionOf(url: string): Connection {
  const connection = new Connection(url);
  connections.push(connection);
  return connection;
}

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
});

const appEngine = new Exchange("appengine", "direct", { durable: true });
const pullQueue = new Queue("pull-queue", { exchange: appEngine, routingKey: "pull-queue" });

async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("Exchange", () => {
  it("new Exchange() is the default exchange, direct, durable and frozen", () => {
    const exchange = new Exchange();
    expect(exchange).toMatchObject({
      name: "",
      type: "direct",
      durable: true,
      autoDelete: false,
      passive: false,
    });
    expect(Object.isFrozen(exchange) && Object.isFrozen(exchange.arguments)).toBe(true);
  });

  it("new Exchange() does not see later changes of its arguments, and leaves them alone", () => {
    const given = { "alternate-exchange": "x" };
    const exchange = new Exchange("e", "direct", { arguments: given });
    given["alternate-exchange"] = "y";
    expect(exchange.arguments).toEqual({ "alternate-exchange": "x" });
    expect(Object.isFrozen(given)).toBe(false);
  });

  it.each([
    [
      () => new Exchange("e", "driect" as "direct"),
      'must be one of "direct", "topic", "fanout", "headers", got "driect"',
    ],
    [
      () => new Exchange(5 as unknown as string),
      "an exchange's name must be a string of at most 255 bytes of UTF-8, got 5",
    ],
    [() => new Exchange("é".repeat(128)), "at most 255 bytes"],
    [
      () => new Exchange("e", "direct", { auto_delete: true } as object),
      "no option auto_delete (did you mean autoDelete?)",
    ],
    [
      () => new Exchange("e", "direct", { durable: "yes" } as object),
      'durable must be true or false, got "yes"',
    ],
    [
      () => new Exchange("e", "direct", { deliveryMode: 3 } as object),
      'one of 1, 2, "transient", "persistent", got 3',
    ],
    [() => new Exchange("e", "direct", null as unknown as object), "the options of exchange"],
  ])("new Exchange() refuses what it does not understand: case %#", async (action, message) => {
    expect(action).toThrow(message);
    expect(await codeOf(action)).toBe("invalid_argument");
  });

  it("new Exchange() takes delivery modes by number and by name", () => {
    const modeOf = (deliveryMode: 1 | 2 | "transient" | "persistent") =>
      new Exchange("e", "direct", { deliveryMode }).deliveryMode;
    expect([modeOf("transient"), modeOf("persistent"), modeOf(1), modeOf(2)]).toEqual([1, 2, 1, 2]);
    expect(appEngine.deliveryMode).toBeUndefined();
  });

  it("declare() tells the channel, but not about the default exchange, reserved names and noDeclare", async () => {
    const { channel, calls } = await notebook();
    await appEngine.bind(channel).declare();
    await new Exchange().bind(channel).declare();
    await new Exchange("amq.topic", "topic").bind(channel).declare();
    await new Exchange("theirs", "topic", { noDeclare: true }).bind(channel).declare();
    const there = new Exchange("there", "fanout");
    await there.bind(channel).declare();
    await new Exchange("there", "fanout", { passive: true }).bind(channel).declare();
    expect(calls).toEqual([
      ["declareExchange", appEngine.definition, false],
      ["declareExchange", there.definition, false],
      ["declareExchange", there.definition, true],
    ]);
  });

  it("bind() leaves the exchange unbound and gives a copy; the same channel gives the same copy", async () => {
    const { channel } = await notebook();
    const bound = appEngine.bind(channel);
    expect(bound).not.toBe(appEngine);
    expect(bound.equals(appEngine)).toBe(true);
    expect(bound.bind(channel)).toBe(bound);
    expect(bound.bind((await notebook()).channel)).not.toBe(bound);
    expect(Object.isFrozen(bound)).toBe(true);
  });

  it("declare() and delete() of an unbound exchange are not_bound", async () => {
    expect(await codeOf(() => appEngine.declare())).toBe("not_bound");
    await expect(appEngine.delete()).rejects.toThrow('exchange "appengine" cannot delete without a channel');
  });

  it("equals() compares definitions, not names", () => {
    expect(appEngine.equals(new Exchange("appengine"))).toBe(true);
    expect(appEngine.equals(new Exchange("appengine", "topic"))).toBe(false);
    expect(appEngine.equals(new Exchange("appengine", "direct", { durable: false }))).toBe(false);
    expect(appEngine.equals(new Exchange("appengine", "direct", { deliveryMode: 1 }))).toBe(false);
    expect(appEngine.equals(new Exchange("appengine", "direct", { arguments: { a: 1 } }))).toBe(false);
  });

  it("from() reads what toJSON() writes, through JSON", () => {
    const exchange = new Exchange("e", "topic", { deliveryMode: 1, autoDelete: true, arguments: { a: [1] } });
    const copy = Exchange.from(JSON.parse(JSON.stringify(exchange)));
    expect(copy.equals(exchange)).toBe(true);
    expect(copy.toJSON()).toEqual(exchange.toJSON());
  });
});

describe("Queue", () => {
  it("new Queue() is durable, acknowledged, on the default exchange, and frozen", () => {
    const queue = new Queue("q");
    expect(queue).toMatchObject({
      name: "q",
      routingKey: "",
      durable: true,
      exclusive: false,
      autoDelete: false,
    });
    expect(queue).toMatchObject({ noAck: false, bindings: [], noDeclare: false, alias: undefined });
    expect(queue.exchange.name).toBe("");
    expect(
      Object.isFrozen(queue) && Object.isFrozen(queue.bindings) && Object.isFrozen(queue.queueArguments),
    ).toBe(true);
  });

  it("new Queue() without a name makes one, another each time, which its copies keep", async () => {
    const queue = new Queue();
    expect(queue.name).toMatch(/^gen-.{36}$/);
    expect(new Queue("").name).not.toBe(queue.name);
    expect(queue.bind((await notebook()).channel).name).toBe(queue.name);
  });

  it("new Queue() takes an exchange by name as a direct one", () => {
    expect(new Queue("q", { exchange: "e" }).exchange.equals(new Exchange("e"))).toBe(true);
  });

  it("new Queue() that is exclusive deletes itself", () => {
    expect(new Queue("q", { exclusive: true }).autoDelete).toBe(true);
  });

  it("new Queue() makes arguments of its options, which win over given ones", () => {
    const queue = new Queue("q", {
      expiresMs: 60_000,
      messageTtlMs: 1000,
      maxLength: 10,
      maxLengthBytes: 1000,
      maxPriority: 9,
      queueArguments: { "x-max-length": 5, "x-queue-mode": "lazy" },
    });
    expect(queue.definition.arguments).toEqual({
      "x-expires": 60_000,
      "x-message-ttl": 1000,
      "x-max-length": 10,
      "x-max-length-bytes": 1000,
      "x-max-priority": 9,
      "x-queue-mode": "lazy",
    });
  });

  it("staysDeclared is false for queues that may go by themselves", () => {
    expect(new Queue("q").staysDeclared).toBe(true);
    expect(new Queue("q", { autoDelete: true }).staysDeclared).toBe(false);
    expect(new Queue("q", { expiresMs: 1000 }).staysDeclared).toBe(false);
    expect(new Queue("q", { queueArguments: { "x-expires": 1000 } }).staysDeclared).toBe(false);
  });

  it.each([
    [{ routing_key: "k" }, 'queue "q" has no option routing_key (did you mean routingKey?)'],
    [{ exchange: 5 }, "exchange must be an Exchange or a name, got 5"],
    [{ bindings: ["e"] }, "bindings must be an array of Binding, got an array of 1"],
    [{ expiresMs: 0 }, "expiresMs must be a whole number of milliseconds from 1"],
    [{ maxPriority: 10 }, "maxPriority must be a whole number of priority from 0 to 9, got 10"],
    [{ onDeclared: true }, "onDeclared must be a function, got true"],
    [{ exchange: "e", bindings: [new Binding("f")] }, "give the exchange as one of the bindings"],
    [{ durable: 1, noAck: 0 }, 'durable must be true or false, got 1; queue "q": noAck must be'],
  ])("new Queue() refuses %o", async (options, message) => {
    expect(() => new Queue("q", options as object)).toThrow(message);
    expect(await codeOf(() => new Queue("q", options as object))).toBe("invalid_argument");
  });

  it("declare() makes the exchange, the queue and its binding, in this order, and says so", async () => {
    const { channel, calls } = await notebook();
    const declared: unknown[] = [];
    const queue = new Queue("pull-queue", {
      exchange: appEngine,
      routingKey: "k",
      bindingArguments: { a: 1 },
      onDeclared: (state) => declared.push(state),
    });
    expect(await queue.bind(channel).declare()).toBe("pull-queue");
    expect(calls).toEqual([
      ["declareExchange", appEngine.definition, false],
      ["declareQueue", queue.definition, false],
      ["bind", { exchange: "appengine", queue: "pull-queue", routingKey: "k", arguments: { a: 1 } }],
    ]);
    expect(declared).toEqual([{ name: "pull-queue", messageCount: 0 }]);
  });

  it("declare() makes every exchange and binding of a queue that has several", async () => {
    const { channel, calls } = await notebook();
    const bindings = [new Binding("e1", { routingKey: "a" }), new Binding(new Exchange("e2", "fanout"))];
    await new Queue("q", { bindings }).bind(channel).declare();
    expect(
      calls.map(([name, what]) => [
        name,
        (what as { exchange?: string; name?: string }).exchange ?? (what as { name: string }).name,
      ]),
    ).toEqual([
      ["declareExchange", "e1"],
      ["declareExchange", "e2"],
      ["declareQueue", "q"],
      ["bind", "e1"],
      ["bind", "e2"],
    ]);
  });

  it("declare() needs no binding on the default exchange, only looks when passive, and does nothing for noDeclare", async () => {
    const { channel, calls } = await notebook();
    await new Queue("q").bind(channel).declare();
    await new Queue("q", { exchange: "e" }).bind(channel).declare({ passive: true });
    await new Queue("theirs", { noDeclare: true }).bind(channel).declare();
    expect(calls).toEqual([
      ["declareQueue", new Queue("q").definition, false],
      ["declareQueue", new Queue("q").definition, true],
    ]);
  });

  it("declare() hands the signal to every call that waits", async () => {
    const { channel, calls } = await notebook();
    const { signal } = new AbortController();
    await pullQueue.bind(channel).declare({ signal });
    expect(calls.filter((call) => call.includes(signal)).map(([name]) => name)).toEqual([
      "declareExchange",
      "declareQueue",
    ]);
  });

  it("get(), purge(), delete(), bindTo() and unbindFrom() go to the channel with what was asked", async () => {
    const { channel, calls } = await notebook();
    const queue = new Queue("q", { noAck: true }).bind(channel);
    await queue.declare();
    await new Exchange("e").bind(channel).declare();
    calls.length = 0;
    expect(await queue.get()).toBeNull();
    expect(await queue.get({ noAck: false, accept: ["json"] })).toBeNull();
    await queue.bindTo("e", { routingKey: "k" });
    await queue.unbindFrom("e", { routingKey: "k" });
    expect(await queue.purge()).toBe(0);
    expect(await queue.delete({ ifEmpty: true })).toBe(0);
    const binding = { exchange: "e", queue: "q", routingKey: "k", arguments: {} };
    expect(calls).toEqual([
      ["get", "q", { noAck: true }],
      ["get", "q", { noAck: false, accept: ["json"] }],
      ["bind", binding],
      ["unbind", binding],
      ["purge", "q"],
      ["deleteQueue", "q", { ifEmpty: true }],
    ]);
  });

  it("get() gives messages as they come, and purge() and delete() count them", async () => {
    const connection = connectionOf(`memory://${newIdempotencyKey()}`);
    const queue = pullQueue.bind(await connection.channel());
    await queue.declare();
    const producer = connection.producer({ exchange: appEngine, routingKey: "pull-queue" });
    for (const n of [1, 2, 3, 4]) await producer.publish({ n });
    const message = await queue.get();
    expect(message?.payload).toEqual({ n: 1 });
    await message?.ack();
    expect((await queue.get({ noAck: true }))?.payload).toEqual({ n: 2 });
    expect(await queue.purge()).toBe(2);
    await producer.publish({ n: 5 });
    expect(await queue.delete()).toBe(1);
  });

  it.each(["declare", "get", "purge", "delete"] as const)(
    "%s() of an unbound queue is not_bound",
    async (verb) => {
      expect(await codeOf(() => pullQueue[verb]())).toBe("not_bound");
      await expect(pullQueue[verb]()).rejects.toThrow("call bind(channel) and use what it returns");
    },
  );

  it("equals() compares definitions, not names", async () => {
    const same = new Queue("pull-queue", { exchange: new Exchange("appengine"), routingKey: "pull-queue" });
    expect(pullQueue.equals(same)).toBe(true);
    expect(pullQueue.bind((await notebook()).channel).equals(pullQueue)).toBe(true);
    for (const other of [
      new Queue("pull-queue"),
      new Queue("pull-queue", { exchange: appEngine, routingKey: "k" }),
      new Queue("pull-queue", { exchange: appEngine, routingKey: "pull-queue", expiresMs: 5 }),
      new Queue("pull-queue", { exchange: new Exchange("appengine", "fanout"), routingKey: "pull-queue" }),
      new Queue("pull-queue", { bindings: [new Binding(appEngine, { routingKey: "pull-queue" })] }),
    ]) {
      expect(pullQueue.equals(other)).toBe(false);
    }
  });

  it("from() reads what toJSON() writes, through JSON", () => {
    const queue = new Queue("q", {
      bindings: [new Binding(appEngine, { routingKey: "a", arguments: { x: 1 } }), new Binding("f")],
      exclusive: true,
      noAck: true,
      alias: "mine",
      expiresMs: 5,
      consumerArguments: { "x-priority": 1 },
    });
    const copy = Queue.from(JSON.parse(JSON.stringify(queue)));
    expect(copy.equals(queue)).toBe(true);
    expect(copy.bindings[0]).toBeInstanceOf(Binding);
  });
});
