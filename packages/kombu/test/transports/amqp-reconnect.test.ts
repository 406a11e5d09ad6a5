import { Connection, Exchange, isKombuError, type Message, Queue } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { type RabbitmqInstance, startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startTcpProxy, type TcpProxy } from "@pullqueue/testing/tcp-proxy";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 120_000;

/** Within this long of the broker's return consumers go on, in milliseconds. */
const REJOIN_MS = 2_000;

describe.skipIf(isMissing("rabbitmq-programs"))("amqp over a connection that breaks", () => {
  let instance: RabbitmqInstance;
  let proxy: TcpProxy;
  const open = new Set<Connection>();
  let names = 0;
  beforeAll(async () => {
    instance = await startRabbitmqInstance();
  }, START_MS);
  afterAll(() => instance?.[Symbol.asyncDispose](), START_MS);
  beforeEach(async () => {
    proxy = await startTcpProxy(instance.port);
  });
  afterEach(async () => {
    await Promise.all([...open].map((connection) => connection.close()));
    open.clear();
    await proxy[Symbol.asyncDispose]();
  });

  const opened = (url: string) => {
    const connection = new Connection(url);
    open.add(connection);
    return connection;
  };
  /** Through the proxy. */
  const connect = (query = "") => opened(`amqp://127.0.0.1:${proxy.port}/${query}`);
  /** Past it. */
  const direct = () => opened(instance.url);
  const newQueue = (options: ConstructorParameters<typeof Queue>[1] = {}) =>
    new Queue(`r${names++}`, options);
  const put = async (connection: Connection, queue: Queue, body: unknown) =>
    connection.producer({ routingKey: queue.name }).publish(body, { declare: [queue] });
  /** A running consumer, and what it has seen. */
  const start = (connection: Connection, queue: Queue) => {
    const stop = new AbortController();
    const seen: unknown[] = [];
    const errors: unknown[] = [];
    const handler = (message: Message) => void seen.push(message.payload);
    const options = {
      signal: stop.signal,
      concurrency: 3,
      onError: (error: unknown) => void errors.push(error),
    };
    const done = connection.consumer(queue).run(handler, options);
    const end = async () => {
      stop.abort();
      await done;
    };
    return { seen, errors, end };
  };
  const until = (condition: () => unknown, timeout = 15_000) =>
    vi.waitUntil(condition, { timeout, interval: 10 });

  it("run() goes on after a cut, with nothing lost", async () => {
    const queue = newQueue();
    const [through, past] = [connect(), direct()];
    const consumer = start(through, queue);
    for (let round = 0; round < 4; round++) {
      await put(past, queue, round);
      await until(() => consumer.seen.includes(round));
      proxy.cut();
    }
    // The last cut may have taken an acknowledgement with it, so that its message comes once more.
    await until(async () => (await past.simpleQueue(queue).qsize()) === 0);
    await consumer.end();
  });

  it("message.signal fires with lease_lost when the connection breaks, the late ack() is refused, and the message comes again", async () => {
    const queue = newQueue();
    const connection = connect();
    await put(connection, queue, "held");
    const bound = queue.bind(await connection.channel());
    const message = (await bound.get())!;
    const { signal } = message;
    proxy.cut();
    await until(() => signal.aborted);
    expect(isKombuError(signal.reason, "lease_lost")).toBe(true);
    await expect(message.ack()).rejects.toMatchObject({ code: "lease_lost" });
    const again = await vi.waitUntil(() => bound.get());
    expect([again.payload, again.deliveryInfo.redelivered]).toEqual(["held", true]);
    await again.ack();
  });

  it("an ack() whose answer does not come is refused when the connection breaks, and not taken for done", async () => {
    const queue = newQueue();
    const connection = connect();
    await put(connection, queue, "held");
    const message = (await queue.bind(await connection.channel()).get())!;
    proxy.freeze();
    const acking = message.ack();
    acking.catch(() => {});
    await new Promise(setImmediate);
    proxy.cut();
    await expect(acking).rejects.toMatchObject({ code: "lease_lost" });
    const again = await direct().simpleQueue(queue).get({ timeoutMs: 5_000 });
    expect(again.payload).toBe("held");
    await again.ack();
  });

  it("publish() fails by its deadline while the broker is away, and says so, or succeeds when it returns in time", async () => {
    const queue = newQueue();
    const connection = connect();
    await put(connection, queue, 1);
    proxy.shut();
    const producer = connection.producer({ routingKey: queue.name });
    // Sent before anybody knows of the break, perhaps: unclear at once.
    await expect(producer.publish("lost", { timeoutMs: 300 })).rejects.toMatchObject({
      code: expect.stringMatching(/timeout|unavailable/),
    });
    const startMs = performance.now();
    await expect(producer.publish("late", { timeoutMs: 300 })).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringMatching(/^amqp:.* within 300 ms .* away since 20\d\d-.*cannot be reached/),
      cause: { code: "unavailable" },
    });
    expect(performance.now() - startMs).toBeLessThan(2_000);
    const publishing = producer.publish(2, { timeoutMs: 15_000 });
    const declaring = newQueue()
      .bind(await connection.channel())
      .declare();
    const attempts = proxy.attempts;
    await until(() => proxy.attempts >= attempts + 2);
    proxy.open();
    expect((await publishing).queues).toEqual([queue.name]);
    await declaring;
    const simple = direct().simpleQueue(queue);
    expect([(await simple.get()).payload, (await simple.get()).payload]).toEqual([1, 2]);
    expect(await simple.qsize()).toBe(0);
  });

  it("publish() that was sent and not confirmed is unavailable, because nobody knows", async () => {
    const queue = newQueue();
    const connection = connect();
    await put(connection, queue, 1);
    proxy.freeze();
    const publishing = connection.producer({ routingKey: queue.name }).publish(2);
    publishing.catch(() => {});
    await new Promise(setImmediate);
    proxy.cut();
    await expect(publishing).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringContaining("unclear whether it was stored") },
    });
  });

  it("publish() that is late says that repeating it may store it twice, because the broker keeps no keys", async () => {
    const queue = newQueue();
    const connection = connect();
    await put(connection, queue, 1);
    proxy.freeze();
    const publishing = connection.producer({ routingKey: queue.name }).publish(2, { timeoutMs: 50 });
    await expect(publishing).rejects.toMatchObject({
      ...{ code: "timeout", message: expect.stringContaining("publishing again may store it twice") },
    });
    proxy.cut();
  });

  it("what goes with a connection is declared again on the next: exclusive queues, and bindings to them", async () => {
    const connection = connect();
    const exchange = new Exchange(`x${names++}`, "topic", { durable: false });
    const queue = newQueue({ exchange, routingKey: "a.*", exclusive: true, durable: false });
    const consumer = start(connection, queue);
    const past = direct();
    const publish = (body: unknown) =>
      past.producer().publish(body, { exchange: exchange.name, routingKey: "a.b", mandatory: true });
    await vi.waitUntil(() => publish(1).catch(() => false));
    await until(() => consumer.seen.includes(1));
    proxy.cut();
    // Those that the broker took for the queue of the old connection went with it.
    const isThere = async () => {
      await publish(2).catch(() => {});
      return consumer.seen.includes(2);
    };
    await vi.waitUntil(isThere, { timeout: 10_000 });
    // Now the broker does not notice that the connection is gone, and keeps the queue locked.
    const letGo = proxy.strand();
    await until(() => consumer.errors.some((error) => isKombuError(error, "precondition_failed")));
    letGo();
    const isBack = async () => {
      await publish(3).catch(() => {});
      return consumer.seen.includes(3);
    };
    await vi.waitUntil(isBack, { timeout: 15_000 });
    await consumer.end();
  });

  it("programs that start before their broker wait for it", async () => {
    const queue = newQueue();
    proxy.shut();
    const [consuming, publishing] = [connect(), connect()];
    const consumer = start(consuming, queue);
    const published = put(publishing, queue, "early");
    await until(() => proxy.attempts >= 4);
    proxy.open();
    await published;
    await until(() => consumer.seen.includes("early"));
    await consumer.end();
  });

  it("nobody burns time while the broker is away", async () => {
    const queue = newQueue();
    const connection = connect();
    const consumer = start(connection, queue);
    await put(connection, queue, 1);
    await until(() => consumer.seen.length === 1);
    proxy.shut();
    const [attempts, cpu, startMs] = [proxy.attempts, process.cpuUsage(), performance.now()];
    await until(() => performance.now() - startMs > 3_000);
    const { user, system } = process.cpuUsage(cpu);
    expect(proxy.attempts - attempts).toBeLessThan(15);
    expect((user + system) / 1000).toBeLessThan(1_000);
    await consumer.end();
  });

  it("a silent connection is given up by its heartbeats, and the consumer goes on", {
    timeout: 30_000,
  }, async () => {
    const queue = newQueue();
    const connection = connect("?heartbeat=1");
    const consumer = start(connection, queue);
    await put(connection, queue, 1);
    await until(() => consumer.seen.includes(1));
    proxy.freeze();
    await until(() => proxy.attempts >= 2);
    proxy.cut();
    await put(direct(), queue, 2);
    await until(() => consumer.seen.includes(2));
    await consumer.end();
  });

  it("close() ends in every state of the connection", async () => {
    const queue = newQueue();
    const [silent, shut] = [connect(), connect()];
    for (const connection of [silent, shut]) {
      await put(connection, queue, 1);
      await queue.bind(await connection.channel()).get();
    }
    const waiting = expect(shut.simpleQueue(newQueue()).get()).rejects.toMatchObject({ code: "closed" });
    proxy.shut();
    await shut.close();
    await waiting;
    proxy.open();
    const third = connect();
    await put(third, queue, 1);
    proxy.freeze();
    await third.close();
  });

  it("after restarts of the broker no message is lost, and consumers go on within two seconds", {
    timeout: 180_000,
  }, async () => {
    const queue = newQueue();
    const [consuming, publishing] = [direct(), direct()];
    const consumer = start(consuming, queue);
    await put(publishing, queue, "before");
    await until(() => consumer.seen.includes("before"));
    for (const end of [() => instance.stop(), () => instance.kill9()]) {
      const promised: unknown[] = [];
      let isOver = false;
      const producing = (async () => {
        for (let number = 0; !isOver; number++) {
          const body = `${String(end)} ${number}`;
          await put(publishing, queue, body).then(
            () => promised.push(body),
            (error: unknown) => expect(isKombuError(error, "unavailable")).toBe(true),
          );
        }
      })();
      await until(() => promised.length > 20);
      await end();
      const counted = promised.length;
      await instance.start();
      const backMs = performance.now();
      await until(() => promised.length > counted);
      // Of that moment: the newest of a producer that goes on is never seen for long.
      const first = promised[counted];
      await until(() => consumer.seen.includes(first));
      expect(performance.now() - backMs).toBeLessThan(REJOIN_MS);
      isOver = true;
      await producing;
      await until(() => promised.every((body) => consumer.seen.includes(body)));
    }
    await consumer.end();
  });
});
