import { fileURLToPath } from "node:url";
import { type Connection, Exchange, type PublishOptions, Queue, sendReply } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { freePort } from "@pullqueue/testing/free-port";
import { describe, expect, it, vi } from "vitest";
import { count, drain, rabbitmqFixture } from "../rabbitmq-fixture.js";

const fixture = (file: string) =>
  fileURLToPath(new URL(`../../../testing/test/fixtures/${file}`, import.meta.url));
/** A self-signed certificate for 127.0.0.1, of no use elsewhere. */
const certificate = fixture("loopback-cert.pem");

describe.skipIf(isMissing("rabbitmq-programs"))("amqp", async () => {
  const tlsPort = await freePort();
  const { running, opened, connect, name, declared } = rabbitmqFixture([
    `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
    `ssl_options.cacertfile = ${certificate}`,
    `ssl_options.certfile = ${certificate}`,
    `ssl_options.keyfile = ${fixture("loopback-key.pem")}`,
    "ssl_options.verify = verify_none",
  ]);
  const put = async (
    connection: Connection,
    queue: Queue,
    bodies: readonly unknown[],
    options?: PublishOptions,
  ) => {
    const producer = connection.producer({ routingKey: queue.name });
    for (const body of bodies) await producer.publish(body, options);
  };

  it("a headers exchange routes by all or any of a binding's headers", async () => {
    const connection = connect();
    const exchange = new Exchange(name(), "headers");
    const all = await declared(connection, {
      ...{ exchange, bindingArguments: { "x-match": "all", a: 1, b: "two" } },
    });
    const any = await declared(connection, {
      ...{ exchange, bindingArguments: { "x-match": "any", a: 1, b: "two" } },
    });
    const producer = connection.producer({ exchange });
    await producer.publish("both", { headers: { a: 1, b: "two" } });
    await producer.publish("one", { headers: { a: 1 } });
    expect((await producer.publish("none", { headers: { a: 2 } })).queues).toEqual([]);
    expect(await drain(all)).toEqual(["both"]);
    expect(await drain(any)).toEqual(["both", "one"]);
  });

  it("remote calls and remote control go on when the connection goes to another broker", async () => {
    const queue = new Queue(name());
    const server = connect();
    const producer = server.producer();
    const serving = server
      .consumer(queue)
      .run((message) => sendReply(message, message.payload, { producer }))
      .catch(() => {}); // It ends with its connection.
    const connection = connect();
    const rpc = connection.rpc(queue, { timeoutMs: 5_000 });
    const mailbox = connection.mailbox(name(), { type: "fanout" });
    await mailbox.node("node", { handlers: { ping: () => "pong" } }).listen();
    const ping = () => mailbox.multiCall("ping", {}, { limit: 1, timeoutMs: 1_000 });
    expect([await rpc.call(1), await ping()]).toEqual([1, [{ node: "pong" }]]);
    // Queues that go with their last consumer are not there any more, as at any other broker.
    await connection.switch(`${running().url}?heartbeat=50`);
    expect(await rpc.call(2)).toBe(2);
    // What is told to all reaches those who listen: the node is back within a moment, not at once.
    await expect.poll(ping, { timeout: 20_000 }).toEqual([{ node: "pong" }]);
    await server.close();
    await serving;
  });

  it("call() to a queue that is not there fails at once, not when its time is up", async () => {
    const rpc = connect().rpc(name(), { timeoutMs: 600_000 });
    await expect(rpc.call(1)).rejects.toMatchObject({ code: "unroutable" });
    await rpc.close();
  });

  it("bindTo() lets one exchange feed another, and unbindFrom() ends that", async () => {
    const connection = connect();
    const [source, target] = [new Exchange(name(), "topic"), new Exchange(name(), "fanout")];
    const queue = await declared(connection, { exchange: target });
    const channel = await connection.channel();
    await source.bind(channel).declare();
    await target.bind(channel).bindTo(source, { routingKey: "a.#" });
    const producer = connection.producer({ exchange: source });
    await producer.publish("through", { routingKey: "a.b" });
    await target.bind(channel).unbindFrom(source, { routingKey: "a.#" });
    await target.bind(channel).unbindFrom(source, { routingKey: "a.#" });
    expect((await producer.publish("gone", { routingKey: "a.b" })).queues).toEqual([]);
    expect(await drain(queue)).toEqual(["through"]);
  });

  it("higher priorities come sooner, and messages of one priority in their order", async () => {
    const connection = connect();
    const queue = await declared(connection, { maxPriority: 9 });
    for (const [body, priority] of [
      ["low", 1],
      ["high", 9],
      ["none", 0],
      ["also high", 9],
    ] as const) {
      await put(connection, queue, [body], { priority });
    }
    expect(await drain(queue)).toEqual(["high", "also high", "low", "none"]);
  });

  it("expired messages go, by their own time and by the queue's", async () => {
    const connection = connect();
    const [own, queues] = [await declared(connection), await declared(connection, { messageTtlMs: 20 })];
    await put(connection, own, ["short"], { expirationMs: 20 });
    await put(connection, queues, ["short"]);
    await put(connection, own, ["long"], { expirationMs: 60_000 });
    await vi.waitFor(async () => expect(await count(connection, queues)).toBe(0));
    await vi.waitFor(async () => expect(await count(connection, own)).toBe(1));
    expect(await drain(own)).toEqual(["long"]);
  });

  it("a queue goes when nobody has used it for expiresMs", async () => {
    const connection = connect();
    const queue = await declared(connection, { expiresMs: 50 });
    const isGone = async () => {
      await expect(queue.declare({ passive: true })).rejects.toMatchObject({ code: "not_found" });
    };
    await vi.waitFor(isGone, { interval: 200, timeout: 10_000 });
  });

  it("delete() with ifUnused keeps a queue that somebody consumes from", async () => {
    const connection = connect();
    const queue = await declared(connection);
    await put(connection, queue, ["held"]);
    const consumer = connect().consumer(new Queue(queue.name), { prefetchCount: 1 });
    const messages = consumer.messages();
    await messages.next();
    expect(await queue.delete({ ifUnused: true })).toBe(0);
    expect(await queue.declare({ passive: true })).toBe(queue.name);
    await messages.return();
    expect(await queue.delete({ ifUnused: true })).toBe(1);
    await expect(queue.declare({ passive: true })).rejects.toMatchObject({ code: "not_found" });
  });

  it("maxLength drops the oldest, or refuses the newest, which is resource_exhausted", async () => {
    const connection = connect();
    const dropping = await declared(connection, { maxLength: 2 });
    await put(connection, dropping, [1, 2, 3]);
    expect(await drain(dropping)).toEqual([2, 3]);
    const refusing = await declared(connection, {
      ...{ maxLengthBytes: 10, queueArguments: { "x-overflow": "reject-publish" } },
    });
    await put(connection, refusing, ["123456"]);
    await expect(put(connection, refusing, ["123456"])).rejects.toMatchObject({ code: "resource_exhausted" });
  });

  it("reject() moves a message where the queue keeps dead letters, with the reason", async () => {
    const connection = connect();
    const dead = await declared(connection);
    const queue = await declared(connection, {
      queueArguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name },
    });
    await put(connection, queue, ["poison"]);
    await (await queue.get())!.reject();
    const message = await vi.waitUntil(() => dead.get());
    expect(message.payload).toBe("poison");
    expect(message.headers["x-death"]).toMatchObject([
      { queue: queue.name, reason: "rejected", count: 1, time: expect.any(Date) },
    ]);
    await message.ack();
  });

  it("an alternate exchange gets what has no other way", async () => {
    const connection = connect();
    const alternate = new Exchange(name(), "fanout");
    const left = await declared(connection, { exchange: alternate });
    const exchange = new Exchange(name(), "direct", {
      arguments: { "alternate-exchange": alternate.name },
    });
    await connection.producer({ exchange }).publish("left", { routingKey: "nobody", mandatory: true });
    expect(await drain(left)).toEqual(["left"]);
  });

  it("an exclusive queue is one connection's, and goes with it", async () => {
    const [owner, other] = [connect(), connect()];
    const queue = await declared(owner, { exclusive: true, durable: false });
    const theirs = new Queue(queue.name).bind(await other.channel());
    await expect(theirs.declare({ passive: true })).rejects.toMatchObject({ code: "precondition_failed" });
    await owner.close();
    await expect(theirs.declare({ passive: true })).rejects.toMatchObject({ code: "not_found" });
  });

  it("a failed call ends its own channel and nothing else", async () => {
    const connection = connect();
    const queue = await declared(connection);
    await put(connection, queue, [1, 2]);
    const held = (await queue.get())!;
    const channel = await connection.channel();
    const other = new Queue(queue.name, { messageTtlMs: 5 }).bind(channel);
    const calls = [
      other.declare(),
      new Queue(name()).bind(channel).get(),
      connection.producer().publish("x", { exchange: name() }),
      new Queue("amq.reserved").bind(channel).declare(),
      connection.producer({ routingKey: queue.name }).publish(3),
      connection.producer({ routingKey: queue.name }).publish(4, { userId: "somebody" }),
    ];
    const codes = (await Promise.allSettled(calls)).map((result) =>
      result.status === "fulfilled" ? "fulfilled" : (result.reason as { code: string }).code,
    );
    expect(codes).toEqual([
      ...["precondition_failed", "not_found", "not_found", "permission_denied", "fulfilled"],
      "precondition_failed",
    ]);
    await held.ack();
    expect(await drain(queue)).toEqual([2, 3]);
  });

  it("receipts tell routed from unroutable messages, however many are on their way", async () => {
    const connection = connect();
    const exchange = new Exchange(name());
    const queue = await declared(connection, { exchange, routingKey: "there" });
    const producer = connection.producer({ exchange });
    const keys = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? "nowhere" : "there"));
    const receipts = await Promise.all(keys.map((routingKey) => producer.publish("same", { routingKey })));
    expect(receipts.map(({ queues }) => (queues === undefined ? "there" : "nowhere"))).toEqual(keys);
    expect((await connection.producer({ routingKey: queue.name }).publish("by name")).queues).toEqual([
      queue.name,
    ]);
  });

  it("publish() refuses what AMQP has no place for", async () => {
    const connection = connect();
    const producer = connection.producer({ routingKey: "q" });
    const refused: readonly PublishOptions[] = [
      ...[{ tag: "t" }, { taskId: "t" }, { idempotencyKey: "k" }, { delayMs: 1000 }],
      { properties: { unheard: "of" } },
    ];
    for (const options of refused) {
      await expect(producer.publish("x", options)).rejects.toMatchObject({ code: "not_supported" });
    }
    const long = { correlationId: "x".repeat(256) };
    await expect(producer.publish("x", long)).rejects.toMatchObject({ code: "invalid_argument" });
    const many = { headers: { h: "x".repeat(70_000) } };
    await expect(producer.publish("x", many)).rejects.toMatchObject({ code: "too_large" });
    const odd = { headers: { h: Symbol("s") } };
    await expect(producer.publish("x", odd)).rejects.toMatchObject({ code: "not_serializable" });
  });

  it("delayedDelivery delays messages to queues by name and through topic exchanges, as kombu does", async () => {
    const connection = connect("?delayedDelivery=classic");
    expect((await connection.manifest()).delay).toBe("emulated");
    const exchange = new Exchange(name(), "topic");
    const [byName, byTopic] = [
      await declared(connection),
      await declared(connection, { exchange, routingKey: "a.b" }),
    ];
    const startMs = performance.now();
    await put(connection, byName, ["named"], { delayMs: 900 });
    await connection.producer({ exchange }).publish("topical", { routingKey: "a.b", delayMs: 900 });
    expect(await byName.get()).toBeNull();
    for (const [queue, payload, key] of [
      [byName, "named", byName.name],
      [byTopic, "topical", "a.b"],
    ] as const) {
      const message = await vi.waitUntil(() => queue.get(), { timeout: 10_000 });
      expect([message.payload, message.deliveryInfo.routingKey]).toEqual([payload, key]);
      await message.ack();
    }
    expect(performance.now() - startMs).toBeGreaterThan(900);
    const direct = connection.producer({ exchange: new Exchange(name()) });
    await expect(direct.publish("x", { delayMs: 900 })).rejects.toMatchObject({ code: "not_supported" });
  });

  it("a wrong password is unauthenticated, and an unknown virtual host permission_denied, at once", async () => {
    const { port } = running();
    const wrong = opened(`amqp://guest:wrong@127.0.0.1:${port}/`);
    await expect(wrong.simpleQueue("q").put(1)).rejects.toMatchObject({ code: "unauthenticated" });
    const nowhere = opened(`amqp://127.0.0.1:${port}/nowhere`);
    await expect(nowhere.simpleQueue("q").put(1)).rejects.toMatchObject({ code: "permission_denied" });
  });

  it("amqps:// checks the broker's certificate, and takes one whose authority is known", async () => {
    const url = `amqps://127.0.0.1:${tlsPort}/`;
    const queue = name();
    await expect(opened(url).simpleQueue(queue).put(1)).rejects.toMatchObject({ code: "unauthenticated" });
    const known = new URLSearchParams({ ssl_ca_certs: certificate });
    expect((await opened(`${url}?${known}`).simpleQueue(queue).put(1)).messageId).toBeUndefined();
    await opened(`${url}?verifyCertificate=false`).simpleQueue(queue).put(2);
    expect(await connect().simpleQueue(queue).qsize()).toBe(2);
  });
});
