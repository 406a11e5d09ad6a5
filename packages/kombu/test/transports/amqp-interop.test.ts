import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Connection, Exchange, type PublishOptions, Queue } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { type Child, startChild } from "@pullqueue/testing/child";
import { programPath } from "@pullqueue/testing/program-path";
import { type RabbitmqInstance, startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startTcpProxy } from "@pullqueue/testing/tcp-proxy";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";

const script = fileURLToPath(new URL("../python/kombu_amqp.py", import.meta.url));

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 120_000;

/** How long a Python program may take, in milliseconds. */
const PYTHON_MS = 60_000;

const BODY = { hello: "world", n: 1, u: "Thé 董 😀" };

/** What Python's kombu says about a message. */
interface Read {
  readonly payload: unknown;
  readonly content_type: string;
  readonly content_encoding: string;
  readonly headers: Record<string, unknown>;
  readonly properties: Record<string, unknown>;
  readonly delivery_info: Record<string, unknown>;
}

/** What Python wrote on AMQP's wire: the properties' bytes of the content header. */
interface PropertiesVector {
  readonly case: string;
  readonly publish: Record<string, unknown>;
  readonly stored: {
    readonly body: { readonly base64: string };
    readonly content_header_property_bytes: { readonly base64: string };
  };
}

const VECTORS: readonly PropertiesVector[] = JSON.parse(
  readFileSync(new URL("../fixtures/amqp-properties.json", import.meta.url), "utf8"),
);

const isLeftOut = isMissing("rabbitmq-programs") || isMissing("python3-kombu");

describe.skipIf(isLeftOut)("amqp beside Python's kombu", () => {
  let instance: RabbitmqInstance;
  let connection: Connection;
  const children = new Set<Child>();
  let names = 0;
  beforeAll(async () => {
    instance = await startRabbitmqInstance();
    connection = new Connection(instance.url);
  }, START_MS);
  afterEach(async () => {
    await Promise.all([...children].map((child) => child.stop()));
    children.clear();
  });
  afterAll(async () => {
    await connection?.close();
    await instance?.[Symbol.asyncDispose]();
  }, START_MS);

  const name = () => `i${names++}`;
  /** What Python answers to each job. */
  const ask = <T>(...jobs: readonly object[]): readonly T[] => {
    const options = { input: JSON.stringify(jobs), timeout: PYTHON_MS, encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [script, instance.url, "jobs"], options);
    if (status !== 0) throw new Error(`kombu_amqp.py ended with ${status}: ${stderr}`);
    return JSON.parse(stdout);
  };
  const python = (...parameters: readonly string[]) => {
    const child = startChild("/usr/bin/python3", [script, instance.url, ...parameters]);
    children.add(child);
    return child;
  };
  const declared = async (options: ConstructorParameters<typeof Queue>[1] = {}) => {
    const queue = new Queue(name(), options).bind(await connection.channel());
    await queue.declare();
    return queue;
  };

  it("what either declares the other declares again, arguments included", {
    timeout: PYTHON_MS,
  }, async () => {
    for (const type of ["direct", "topic", "fanout", "headers"] as const) {
      const [theirs, ours] = [name(), name()];
      ask({
        ...{ verb: "declare", queue: theirs, exchange: `${theirs}-x`, type, routing_key: "k" },
        options: {
          expires: 60,
          message_ttl: 30.5,
          max_length: 1000,
          max_length_bytes: 3_000_000_000,
          max_priority: 5,
        },
      });
      const options = { expiresMs: 60_000, messageTtlMs: 30_500, maxLength: 1000, maxPriority: 5 };
      const declare = async (queue: string) =>
        new Queue(queue, {
          ...{ ...options, maxLengthBytes: 3_000_000_000, routingKey: "k" },
          exchange: new Exchange(`${queue}-x`, type),
        })
          .bind(await connection.channel())
          .declare();
      await declare(theirs);
      await declare(ours);
      ask({
        ...{ verb: "declare", queue: ours, exchange: `${ours}-x`, type, routing_key: "k" },
        options: {
          expires: 60,
          message_ttl: 30.5,
          max_length: 1000,
          max_length_bytes: 3_000_000_000,
          max_priority: 5,
        },
      });
    }
  });

  it("every type of exchange routes the other's messages", { timeout: PYTHON_MS }, async () => {
    const rows = [
      ["direct", "key", "key", {}],
      ["topic", "a.*.#", "a.b.c", {}],
      ["fanout", "", "whatever", {}],
      ["headers", "", "", { kind: "x" }],
    ] as const;
    for (const [type, pattern, key, headers] of rows) {
      const exchange = new Exchange(name(), type);
      const queue = await declared({
        ...{ exchange, routingKey: pattern },
        bindingArguments: type === "headers" ? { "x-match": "all", kind: "x" } : {},
      });
      await connection.producer({ exchange }).publish(BODY, { routingKey: key, headers });
      const [read] = ask<Read>(
        { verb: "read", queue: queue.name },
        { verb: "write", exchange: exchange.name, routing_key: key, body: BODY, options: { headers } },
      );
      expect(read).toMatchObject({
        ...{ payload: BODY, headers, content_type: "application/json", content_encoding: "utf-8" },
        delivery_info: { exchange: exchange.name, routing_key: key, redelivered: false },
      });
      const message = (await queue.get())!;
      expect(message.payload).toEqual(BODY);
      expect(message.headers).toEqual(headers);
      expect(message.deliveryInfo).toMatchObject({ exchange: exchange.name, routingKey: key });
      await message.ack();
    }
  });

  it("Python reads our bodies, compressed or not, headers and properties", {
    timeout: PYTHON_MS,
  }, async () => {
    const { name: queue } = await declared();
    const producer = connection.producer({ routingKey: queue });
    const headers = {
      ...{ text: "Thé 董", whole: 7, long: 2 ** 40, half: 1.5, yes: true, none: null, "": "empty" },
      ...{ list: [1, "a", { x: [null] }], nested: { "!": "int", y: -5 } },
      ...{ bytes: Uint8Array.of(0, 255), date: new Date(1_700_000_000_000) },
    };
    const sent: readonly (readonly [unknown, PublishOptions])[] = [
      ["text Thé 董 😀", {}],
      [Uint8Array.of(0, 255, 128), {}],
      [BODY, { compression: "gzip" }],
      [BODY, { headers, priority: 3, expirationMs: 60_000, replyTo: "r", correlationId: "c" }],
      ["é", { contentType: "text/x-own", contentEncoding: "latin-1" }],
    ];
    for (const [body, options] of sent) await producer.publish(body, options);
    await producer.publish("raw Thé", { serializer: "raw" });
    const read = ask<Read>(...Array.from({ length: sent.length + 1 }, () => ({ verb: "read", queue })));
    expect(read.map(({ payload }) => payload)).toEqual([
      ...["text Thé 董 😀", { base64: "AP+A" }, BODY, BODY],
      expect.anything(),
      expect.anything(),
    ]);
    expect(read[3]!.headers).toEqual({
      ...headers,
      ...{ bytes: expect.anything(), date: { date: 1_700_000_000 } },
    });
    expect(read[3]!.properties).toMatchObject({
      ...{ priority: 3, expiration: "60000", reply_to: "r", correlation_id: "c", delivery_mode: 2 },
    });
    expect(read.map(({ content_type }) => content_type)).toEqual([
      ...["text/plain", "application/data", "application/json", "application/json"],
      ...["text/x-own", "application/data"],
    ]);
  });

  it.skipIf(isMissing("python3-msgpack") || isMissing("python3-yaml"))(
    "each reads the other's MessagePack and YAML",
    { timeout: PYTHON_MS },
    async () => {
      const queue = await declared();
      const producer = connection.producer({ routingKey: queue.name });
      const body = { ...BODY, list: [1, 2.5, null, true], 葉: { "1:30": "no" } };
      const serializers = ["msgpack", "yaml"] as const;
      for (const serializer of serializers) await producer.publish(body, { serializer });
      const reads = serializers.map((name) => ({ verb: "read", queue: queue.name, accept: [name] }));
      const writes = serializers.map((serializer) => ({
        ...{ verb: "write", exchange: "", routing_key: queue.name, body, options: { serializer } },
      }));
      const read = ask<Read | null>(...reads, ...writes).slice(0, serializers.length);
      for (const [index, serializer] of serializers.entries()) {
        const content_type = `application/x-${serializer}`;
        expect(read[index]).toMatchObject({ payload: body, content_type });
        const message = (await queue.get({ accept: [serializer] }))!;
        expect(message).toMatchObject({ payload: body, contentType: content_type });
        await message.ack();
      }
    },
  );

  it("we read Python's bodies, compressed or not, headers and properties", {
    timeout: PYTHON_MS,
  }, async () => {
    const queue = await declared();
    const job = { verb: "write", exchange: "", routing_key: queue.name };
    const headers = {
      ...{ text: "Thé 董", whole: 7, long: 2 ** 40, half: 1.5, yes: true, none: null },
      ...{ list: [1, "a", { x: [null] }], nested: { y: -5 } },
    };
    ask(
      { ...job, body: "text Thé 董 😀" },
      { ...job, base64: "AP+A" },
      { ...job, body: BODY, options: { compression: "zlib" } },
      { ...job, body: BODY, options: { serializer: "json", compression: "bzip2" } },
      {
        ...{ ...job, body: [0] },
        options: {
          ...{ headers: { ...headers, date: 1_700_000_000, bytes: "AP8=" }, priority: 3, expiration: 60 },
          ...{ reply_to: "r", correlation_id: "c", message_id: "m", timestamp: 1_700_000_000, app_id: "a" },
          delivery_mode: 1,
        },
      },
    );
    const [text, bytes, zipped, bzipped, rich] = await Promise.all(
      Array.from({ length: 5 }, async () => (await queue.get())!),
    );
    expect([text!.payload, bytes!.payload, zipped!.payload]).toEqual([
      "text Thé 董 😀",
      Buffer.from("AP+A", "base64"),
      BODY,
    ]);
    expect(bzipped!.headers.compression).toBe("application/x-bz2");
    expect(rich!.payload).toEqual([0]);
    expect(rich!.headers).toEqual({
      ...headers,
      ...{ date: new Date(1_700_000_000_000), bytes: expect.anything() },
    });
    expect(rich!.properties).toMatchObject({
      ...{ priority: 3, expiration: "60000", reply_to: "r", correlation_id: "c", message_id: "m" },
      ...{ timestamp: 1_700_000_000, app_id: "a", delivery_mode: 1 },
    });
    for (const message of [text, bytes, zipped, bzipped, rich]) await message!.ack();
  });

  it("priorities and expiry hold across", { timeout: PYTHON_MS }, async () => {
    const queue = await declared({ maxPriority: 9 });
    await connection.producer({ routingKey: queue.name }).publish("ours 1", { priority: 1 });
    ask({ verb: "write", exchange: "", routing_key: queue.name, body: "theirs 5", options: { priority: 5 } });
    await connection.producer({ routingKey: queue.name }).publish("ours 9", { priority: 9 });
    await connection.producer({ routingKey: queue.name }).publish("gone", { priority: 9, expirationMs: 1 });
    const simple = connection.simpleQueue(queue);
    const read = ask<Read | null>(...Array.from({ length: 4 }, () => ({ verb: "read", queue: queue.name })));
    expect(read.map((one) => one?.payload)).toEqual(["ours 9", "theirs 5", "ours 1", undefined]);
    ask({
      verb: "write",
      exchange: "",
      routing_key: queue.name,
      body: "gone",
      options: { expiration: 0.001 },
    });
    await vi.waitFor(async () => expect(await simple.qsize()).toBe(0));
  });

  it("what one gives back the other gets, marked as redelivered", { timeout: PYTHON_MS }, async () => {
    const queue = await declared();
    await connection.producer({ routingKey: queue.name }).publish("again");
    await (await queue.get())!.requeue();
    const [theirs] = ask<Read>({ verb: "read", queue: queue.name, end: "requeue" });
    expect(theirs).toMatchObject({ payload: "again", delivery_info: { redelivered: true } });
    const message = (await queue.get())!;
    expect([message.payload, message.deliveryInfo.redelivered]).toEqual(["again", true]);
    await message.ack();
    expect(ask({ verb: "read", queue: queue.name })).toEqual([null]);
  });

  it("a message of a killed process comes to the other side", { timeout: PYTHON_MS }, async () => {
    const queue = await declared();
    const producer = connection.producer({ routingKey: queue.name });
    await producer.publish("first");
    const theirs = python("hold", queue.name);
    await theirs.line(/^held first$/, PYTHON_MS);
    expect(await queue.get()).toBeNull();
    theirs.signal("SIGKILL");
    const message = await connection.simpleQueue(queue).get({ timeoutMs: 20_000 });
    expect([message.payload, message.deliveryInfo.redelivered]).toEqual(["first", true]);
    await message.ack();

    await producer.publish("second");
    const ours = startChild(process.execPath, [programPath("amqp-holder"), instance.url, queue.name]);
    children.add(ours);
    await ours.line(/^held second$/, PYTHON_MS);
    expect(ask({ verb: "read", queue: queue.name })).toEqual([null]);
    ours.signal("SIGKILL");
    await ours.exited(PYTHON_MS);
    const read = await vi.waitUntil(() => ask<Read | null>({ verb: "read", queue: queue.name })[0], 20_000);
    expect(read).toMatchObject({ payload: "second", delivery_info: { redelivered: true } });
  });

  it("requests are answered in either direction", { timeout: PYTHON_MS }, async () => {
    const requests = await declared();
    const server = python("reply", requests.name);
    await server.line(/^ready$/, PYTHON_MS);
    const answers = new Queue("", { exclusive: true, durable: false });
    const simple = connection.simpleQueue(answers);
    const producer = connection.producer({ routingKey: requests.name });
    for (const question of [1, 21]) {
      await producer.publish(
        { question },
        { replyTo: answers, correlationId: `c${question}`, declare: [answers] },
      );
      const answer = await simple.get({ timeoutMs: 20_000 });
      expect([answer.payload, answer.properties.correlation_id]).toEqual([
        { answer: question * 2 },
        `c${question}`,
      ]);
      await answer.ack();
    }
    server.endInput();
    await server.exited(PYTHON_MS);

    const back = await declared();
    ask({
      ...{ verb: "write", exchange: "", routing_key: requests.name, body: { question: 4 } },
      options: { reply_to: back.name, correlation_id: "c4" },
    });
    const request = await connection.simpleQueue(requests).get({ timeoutMs: 20_000 });
    const { reply_to: routingKey, correlation_id: correlationId } = request.properties;
    const { question } = request.payload as { readonly question: number };
    await connection
      .producer()
      .publish({ answer: question * 2 }, { routingKey: routingKey!, correlationId: correlationId! });
    await request.ack();
    const [read] = ask<Read>({ verb: "read", queue: back.name });
    expect(read).toMatchObject({ payload: { answer: 8 }, properties: { correlation_id: "c4" } });
  });

  it.each(VECTORS)("publish() writes the bytes of $case", async ({ publish, stored }) => {
    const sent: Buffer[] = [];
    await using proxy = await startTcpProxy(instance.port, { onClientData: (data) => void sent.push(data) });
    await using tapped = new Connection(`amqp://127.0.0.1:${proxy.port}/`);
    const { compression, headers } = publish as {
      readonly compression: string | null;
      readonly headers: object;
    };
    // As Python's publish() is called; the names of AMQP's properties are the same.
    const {
      expiration,
      delivery_mode: mode,
      ...others
    } = publish as {
      readonly expiration?: number;
      readonly delivery_mode?: string;
      readonly priority?: number;
    };
    const options: PublishOptions = {
      ...(compression === null ? { headers: { ...headers } } : { compression }),
      ...(expiration === undefined ? {} : { expirationMs: expiration * 1000 }),
      ...(mode === "transient" ? { deliveryMode: "transient" } : {}),
      // Python sends a priority of 0 by itself.
      properties: without(others, ["headers", "compression", ...(others.priority === 0 ? ["priority"] : [])]),
    };
    const producer = tapped.producer({ routingKey: "vector" });
    // The broker refuses the user u, who is not the one that is connected.
    await producer.publish(BODY, options).catch(() => {});
    const bytes = Buffer.concat(sent);
    // Two zlibs need not find the same short form; Python reads ours, and we read Python's.
    const isSameBody = bytes.includes(Buffer.from(stored.body.base64, "base64"));
    expect(isSameBody || compression !== null).toBe(true);
    // The properties stand between the size of the body and the end of the frame.
    const properties = Buffer.from(stored.content_header_property_bytes.base64, "base64");
    expect(bytes.includes(Buffer.concat([properties, Buffer.of(0xce)]))).toBe(true);
  });
});

function without(object: object, names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
