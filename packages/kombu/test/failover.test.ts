import { QueueError } from "@pullqueue/core";
import {
  Connection,
  Exchange,
  isLeaseLost,
  KombuError,
  type Message,
  type PlaceTarget,
  Queue,
} from "@pullqueue/kombu";
import { describe, expect, it, vi } from "vitest";
import { broker, brokers, targetsOf } from "./leaving-brokers.js";

describe("Connection with several places", () => {
  it("connect() tries every place once, in order, without waiting", async () => {
    const list = brokers();
    list[0].leave();
    list[1].leave();
    await using connection = new Connection(targetsOf(list));
    expect(connection.connected).toBe(false);
    await connection.connect();
    expect(connection.connected).toBe(true);
    expect(list.map(({ opened }) => opened)).toEqual([1, 1, 1]);
    list[2].leave();
    await using other = connection.clone();
    await expect(other.connect()).rejects.toMatchObject({ code: "unavailable" });
    expect(list.map(({ opened }) => opened)).toEqual([2, 2, 2]);
  });

  it("ensureConnection() waits between rounds only, and goes on to the next place even if errback throws", async () => {
    const list = brokers();
    for (const one of list) one.leave();
    await using connection = new Connection(list[0].target, { alternates: targetsOf(list.slice(1)) });
    const waits: number[] = [];
    const ensured = connection.ensureConnection({
      ...{ intervalStartMs: 1, intervalStepMs: 1, jitter: 0 },
      errback: (_, waitMs) => {
        waits.push(waitMs);
        if (waits.length === 7) list[1].comeBack();
      },
    });
    expect(await ensured).toBe(connection);
    expect(waits).toEqual([0, 0, 1, 0, 0, 2, 0]);
    const other = connection.clone();
    const thrown = new Error("thrown by errback");
    const errback = () => {
      throw thrown;
    };
    await expect(other.ensureConnection({ errback })).rejects.toBe(thrown);
    await other.connect();
    expect(other.connected).toBe(true);
    expect(list[1].opened).toBe(4);
    await other.close();
  });

  it("what trying again would not change is not tried elsewhere", async () => {
    const second = broker();
    const refusing = {
      transport: async function test() {
        throw new KombuError("unauthenticated", "who are you?");
      },
    };
    await using connection = new Connection([refusing, second.target]);
    for (let times = 0; times < 2; times++) {
      await expect(connection.connect()).rejects.toMatchObject({ code: "unauthenticated" });
    }
    expect(second.opened).toBe(0);
  });

  it("a running consumer goes on at the next place, with its queue declared there, and a producer with retry too", async () => {
    const list = brokers();
    await using connection = new Connection(targetsOf(list));
    const queue = new Queue("q");
    const seen: unknown[] = [];
    const stop = new AbortController();
    const running = connection.consumer(queue).run((message) => void seen.push(message.payload), {
      ...{ signal: stop.signal, onError: () => {} },
    });
    const producer = connection.producer({ routingKey: "q" });
    for (const [place, one] of list.entries()) {
      await producer.publish(place, { declare: [queue], retry: true });
      await vi.waitUntil(() => seen.includes(place), { timeout: 5_000, interval: 5 });
      one.leave();
    }
    list[0].comeBack();
    await producer.publish("again at the first", { declare: [queue], retry: true });
    await vi.waitUntil(() => seen.includes("again at the first"), { timeout: 5_000, interval: 5 });
    stop.abort();
    await running;
  });

  it("a consumer declares its queue with exchange and binding at the next place", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    const queue = new Queue("q", { exchange: new Exchange("e"), routingKey: "k" });
    const stop = new AbortController();
    const running = connection.consumer(queue).run(() => {}, { signal: stop.signal, onError: () => {} });
    const producer = connection.producer({ exchange: new Exchange("e"), routingKey: "k" });
    const isRouted = async () => (await producer.publish("hi", { retry: true })).queues?.length === 1;
    await vi.waitUntil(isRouted, { timeout: 5_000, interval: 5 });
    one.leave();
    await vi.waitUntil(async () => other.opened === 1 && (await isRouted()), { timeout: 5_000, interval: 5 });
    stop.abort();
    await running;
  });

  it("drainEvents(), for await and get() go on at the next place", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    const queue = new Queue("q");
    const put = (body: unknown) =>
      connection.producer({ routingKey: "q" }).publish(body, { declare: [queue], retry: true });
    const drained: unknown[] = [];
    const consumer = connection.consumer(queue, {
      callbacks: [(body) => void drained.push(body), (_, message) => message.ack()],
    });
    await consumer.consume();
    const draining = connection.drainEvents({ timeoutMs: 5_000 });
    one.leave();
    await put("drained");
    await draining;
    expect(drained).toEqual(["drained"]);
    await consumer.cancel();

    const simple = connection.simpleQueue(queue);
    const getting = simple.get({ timeoutMs: 5_000 });
    other.leave();
    one.comeBack();
    await put("got");
    const message = await getting;
    expect(message.payload).toBe("got");
    await message.ack();

    const next = connection.consumer(queue).messages().next();
    one.leave();
    other.comeBack();
    await put("iterated");
    const { value } = await next;
    expect(value?.payload).toBe("iterated");
    await value?.ack();
  });

  it("what was received from a broker that was left is lost: the handler is told, and the late ack() is refused", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    const simple = connection.simpleQueue("q");
    await simple.put("held");
    await simple.put("another");
    const [held, settled] = [await simple.get(), await simple.get()];
    const { signal } = held as Message;
    one.leave();
    await expect(settled.ack()).rejects.toSatisfy(isLeaseLost);
    expect(isLeaseLost(signal.reason)).toBe(true);
    await expect(held.ack()).rejects.toSatisfy(isLeaseLost);
    await simple.put("elsewhere");
    expect([await one.size("q"), await other.size("q")]).toEqual([2, 1]);
  });

  it("publish() with retry does not double a message whose answer was lost", async () => {
    const [one] = brokers();
    await using connection = new Connection(one.target);
    await connection.simpleQueue("q").put("first");
    const { insert } = one.store;
    let isLost = false;
    one.store.insert = async (...given) => {
      const results = await insert.apply(one.store, given);
      if (isLost) return results;
      isLost = true;
      throw new QueueError("unavailable", "the answer was lost");
    };
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("second", { retry: true, retryPolicy: { intervalStartMs: 0 } });
    expect(isLost).toBe(true);
    expect(await one.size("q")).toBe(2);
  });

  it("publish() without retry fails once, and the next goes elsewhere", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    const queue = new Queue("q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish(1, { declare: [queue] });
    one.leave();
    await expect(producer.publish(2)).rejects.toMatchObject({ code: "unavailable" });
    await producer.publish(3, { declare: [queue] });
    expect([await one.size("q"), await other.size("q")]).toEqual([1, 1]);
  });

  it("opening, declaring and sending share one deadline", async () => {
    const [one, other] = brokers();
    one.leave();
    other.leave();
    await using connection = new Connection([one.target, other.target]);
    const started = performance.now();
    const retryPolicy = { timeoutMs: 150 };
    const publish = connection
      .producer({ routingKey: "q" })
      .publish(1, { declare: [new Queue("q")], retryPolicy });
    // The latter when the time was up during an attempt.
    await expect(publish).rejects.toMatchObject({ code: expect.stringMatching(/^(?:unavailable|timeout)$/) });
    expect(performance.now() - started).toBeLessThan(1_000);
    const policy = Object.freeze({ maxRetries: 1, intervalStartMs: 0 });
    const before = one.opened;
    await expect(connection.ensure(async () => 1, policy)).rejects.toMatchObject({ code: "unavailable" });
    expect(one.opened - before).toBe(2);
  });

  it("ensure() gives back what the work gives, does not catch foreign errors, and repeats elsewhere", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    expect(await connection.ensure(async () => 42)).toBe(42);
    await expect(
      connection.ensure(async () => {
        throw new TypeError("a mistake");
      }),
    ).rejects.toThrow("a mistake");
    const queue = new Queue("q");
    one.leave();
    const count = await connection.autoretry(async (channel, signal) => {
      expect(channel).toBe(connection.defaultChannel);
      await channel.declareOnce(queue, signal);
      return channel.count("q", signal);
    });
    expect(count).toBe(0);
  });

  it("switch() and maybeSwitchNext() give back what is held, and go on elsewhere", async () => {
    const list = brokers();
    await using connection = new Connection([list[0].target, list[1].target]);
    const simple = connection.simpleQueue("q");
    await simple.put(0);
    const held = await simple.get();
    await connection.maybeSwitchNext();
    expect(connection.connected).toBe(false);
    await simple.put(1);
    await connection.switch(list[2].target);
    await simple.put(2);
    await connection.switch(list[0].target);
    expect((await simple.get({ timeoutMs: 1_000 })).payload).toBe(0);
    await expect(held.ack()).rejects.toMatchObject({ code: "message_state" });
    expect([await list[1].size("q"), await list[2].size("q")]).toEqual([1, 1]);
    await expect(connection.switch("memory://")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("failoverStrategy: shuffle visits each once in a round, and a function decides itself", async () => {
    const list = brokers();
    for (const one of list) one.leave();
    const targets = targetsOf(list);
    await using shuffled = new Connection(targets, { failoverStrategy: "shuffle", random: () => 0.999 });
    await expect(shuffled.connect()).rejects.toMatchObject({ code: "unavailable" });
    expect(list.map(({ opened }) => opened)).toEqual([1, 1, 1]);
    const failoverStrategy = (given: readonly PlaceTarget[]) => [given[2]!, given[2]!, given[0]!];
    await using own = new Connection(targets, { failoverStrategy });
    await expect(own.connect()).rejects.toMatchObject({ code: "unavailable" });
    expect(list.map(({ opened }) => opened)).toEqual([2, 1, 3]);
    const nowhere = () => new Connection(targets, { failoverStrategy: () => ["memory://"] });
    expect(nowhere).toThrow(/failoverStrategy/);
  });

  it("close() ends opening that is tried again", async () => {
    const [one, other] = brokers();
    one.leave();
    other.leave();
    const connection = new Connection([one.target, other.target]);
    const ensured = connection.ensureConnection();
    await connection.close();
    await expect(ensured).rejects.toMatchObject({ code: "closed" });
  });

  it("a connection takes several URLs in a text, in an array and as alternates, of one transport", async () => {
    const connection = new Connection("amqp://a:1@one/x;amqp://b:2@[::1]:5673//y");
    expect(connection.asUri()).toBe("amqp://a:**@one:5672/x;amqp://b:**@[::1]:5673/%2Fy");
    expect(connection.asUri({ mask: "?" })).toContain("amqp://a:?@one");
    const all = connection.asUri({ includePassword: true });
    expect(new Connection(all).asUri({ includePassword: true })).toBe(all);
    expect(new Connection(all.split(";")).asUri({ includePassword: true })).toBe(all);
    const [first, second] = all.split(";");
    const alternates = [second!];
    expect(new Connection(first!, { alternates }).clone().info()).toMatchObject({
      uri: "amqp://a:**@one:5672/x",
      alternates: ["amqp://a:**@one:5672/x", "amqp://b:**@[::1]:5673/%2Fy"],
      failoverStrategy: "round-robin",
    });
    expect(() => new Connection("amqp://one;redis://two")).toThrow(/of amqp and redis/);
    expect(() => new Connection([])).toThrow(/at least one/);
    expect(() => new Connection("amqp://a", { alternates: "amqp://b" } as never)).toThrow(/alternates/);
  });

  it("sentinels of one master are one place, and several masters are several", () => {
    const one = "sentinel://a;sentinel://b:1/0?master_name=m";
    expect(new Connection(one).info().alternates).toHaveLength(1);
    expect(new Connection(one).asUri()).toBe(one);
    const two = `${one};sentinel://[::1]/0?master_name=n`;
    expect(new Connection(two).info().alternates).toHaveLength(2);
    expect(new Connection(two).asUri()).toBe(two);
    expect(new Connection(`${one};redis://c/0`).info().alternates).toEqual([one, "redis://c/0"]);
  });
});
