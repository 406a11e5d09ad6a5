import { QueueError } from "@pullqueue/core";
import {
  Connection,
  type CustomConnectionOptions,
  KombuError,
  Queue,
  VirtualTransport,
} from "@pullqueue/kombu";
import { describe, expect, it, vi } from "vitest";
import { brokers, lease, targetsOf } from "./leaving-brokers.js";
import { settled } from "./support.js";

describe("failover at its edges", () => {
  it("several calls that fail on one broker leave it once", async () => {
    const list = brokers();
    await using connection = new Connection(targetsOf(list));
    const queue = new Queue("q");
    const producer = connection.producer({ routingKey: "q" });
    const publish = () => producer.publish("hi", { declare: [queue] });
    await publish();
    list[0].leave();
    const outcomes = await Promise.allSettled([publish(), publish(), publish()]);
    expect(outcomes.map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
    await publish();
    expect(list.map(({ opened }) => opened)).toEqual([1, 1, 0]);
  });

  it("a caller's own timeout says nothing of the broker, which is not left", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    const queue = new Queue("q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("first", { declare: [queue] });
    const { insert } = one.store;
    one.store.insert = (_queue, _tasks, options) =>
      new Promise((_, reject) => {
        const { signal } = options ?? {};
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    const stop = new AbortController();
    const publish = producer.publish("late", { signal: stop.signal });
    const late = expect(publish).rejects.toMatchObject({ code: "timeout" });
    await settled();
    stop.abort(new KombuError("timeout", "enough"));
    await late;
    one.store.insert = insert;
    await producer.publish("next");
    expect([one.opened, other.opened]).toEqual([1, 0]);
  });

  it("switch() while a broker is being opened goes elsewhere all the same", async () => {
    const [one, other] = brokers();
    let open = () => {};
    const slow = new Promise<void>((resolve) => {
      open = resolve;
    });
    const target: CustomConnectionOptions = {
      transport: async function test(context) {
        await slow;
        const transport = await one.target.transport(context);
        vi.spyOn(transport, "close").mockImplementation(async () => void closed++);
        return transport;
      },
    };
    let closed = 0;
    await using connection = new Connection([target, other.target]);
    const connecting = connection.connect();
    const switching = connection.switch(other.target);
    open();
    await Promise.all([connecting, switching]);
    await connection.producer({ routingKey: "q" }).publish("hi", { declare: [new Queue("q")] });
    expect(await other.size("q")).toBe(1);
    expect(closed).toBe(1);
  });

  it("a connection with one place that was switched to another stays there though that fails", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target]);
    await connection.connect();
    await connection.switch(other.target);
    other.leave();
    await expect(connection.connect()).rejects.toMatchObject({ code: "unavailable" });
    other.comeBack();
    await connection.connect();
    expect([one.opened, other.opened]).toEqual([1, 2]);
  });

  it("a transport that does not reach its broker is closed", async () => {
    const [one, other] = brokers();
    let closed = 0;
    const target: CustomConnectionOptions = {
      transport: async function test(context) {
        const reach = () => Promise.reject(new QueueError("unavailable", "the broker is away"));
        const closeStore = async () => void closed++;
        const { store } = one;
        return new VirtualTransport({ store, name: "test", project: "p", lease, context, reach, closeStore });
      },
    };
    await using connection = new Connection([target, other.target]);
    await connection.connect();
    expect([closed, other.opened]).toEqual([1, 1]);
  });

  it("get() looks at all places, though it does not wait", async () => {
    const list = brokers();
    await using connection = new Connection(targetsOf(list));
    for (const one of list.slice(0, 2)) one.leave();
    expect(await new Queue("q").bind(connection.defaultChannel).get()).toBeNull();
    expect(list[2].opened).toBe(1);
  });

  it.each(["max_retries=1", "connect_retries_timeout=0.2"])(
    "receiving from a broker that is away ends by the connection's policy: %s",
    async (policy) => {
      await using connection = new Connection(`redis://127.0.0.1:1/0?${policy}`);
      const consumer = connection.consumer(new Queue("q"), { autoDeclare: false });
      await expect(consumer.messages().next()).rejects.toMatchObject({ code: "unavailable" });
    },
  );

  it("a consumer whose brokers are all away stops at once", async () => {
    const [one, other] = brokers();
    await using connection = new Connection([one.target, other.target]);
    const stop = new AbortController();
    const consumer = connection.consumer(new Queue("q"));
    const away = vi.fn();
    const running = consumer.run(() => {}, { signal: stop.signal, onError: away });
    await vi.waitUntil(() => consumer.tags.size > 0);
    one.leave();
    other.leave();
    await vi.waitUntil(() => !connection.connected);
    const opened = one.opened + other.opened;
    await vi.waitUntil(() => one.opened + other.opened > opened);
    const stopped = performance.now();
    stop.abort();
    await running;
    expect(performance.now() - stopped).toBeLessThan(1_000);
  });
});
