import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { Connection, Exchange, Queue } from "@pullqueue/kombu";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { storeWith } from "./support.js";

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
const application = trace.getTracer("application");

beforeEach(() => exporter.reset());
afterAll(async () => {
  await provider.shutdown();
  for (const api of [trace, context, propagation]) api.disable();
});

/** The spans of one kind, in the order in which they ended. */
function spans(operation: "publish" | "receive" | "process"): readonly ReadableSpan[] {
  return exporter
    .getFinishedSpans()
    .filter((span) => span.attributes["messaging.operation.name"] === operation);
}

function traceparentOf(span: ReadableSpan): string {
  const { traceId, spanId } = span.spanContext();
  return `00-${traceId}-${spanId}-01`;
}

describe("tracing", () => {
  it("publish() makes a producer's span within the one that is active, and puts its context into the headers", async () => {
    await using connection = storeWith().connect();
    const queue = new Queue("orders", { exchange: new Exchange("shop"), routingKey: "new" });
    const producer = connection.producer({ exchange: "shop", routingKey: "new" });
    const headers = Object.freeze({ mine: 1 });
    const outer = await application.startActiveSpan("request", async (span) => {
      await producer.publish({ a: 1 }, { declare: [queue], headers, messageId: "m-1", correlationId: "c-1" });
      span.end();
      return span.spanContext();
    });
    const [published] = spans("publish");
    expect(published).toMatchObject({
      name: "publish shop:new",
      kind: SpanKind.PRODUCER,
      parentSpanContext: { spanId: outer.spanId },
      attributes: {
        "messaging.system": "transport",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "shop:new",
        "messaging.message.id": "m-1",
        "messaging.message.conversation_id": "c-1",
      },
    });
    const message = await connection.simpleQueue(queue).get();
    expect(message.headers).toEqual({ mine: 1, traceparent: traceparentOf(published!) });
    expect(message.deliveryInfo.traceparent).toBe(traceparentOf(published!));
  });

  it("publish() keeps a context that the message has already, and links to it", async () => {
    await using connection = storeWith().connect();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const queue = connection.simpleQueue("q");
    await queue.put(1, { headers: { traceparent } });
    expect((await queue.get()).headers).toEqual({ traceparent });
    expect(spans("publish")[0]?.links).toMatchObject([{ context: { spanId: "b7ad6b7169203331" } }]);
  });

  it("publish() marks its span when it fails, with the error's code", async () => {
    await using connection = storeWith().connect();
    const producer = connection.producer({ routingKey: "nowhere" });
    await producer.publish(1, { exchange: "undeclared" }).catch(() => {});
    await producer.publish(undefined).catch(() => {});
    expect(spans("publish").map(({ attributes, status }) => [attributes["error.type"], status.code])).toEqual(
      [
        ["not_found", SpanStatusCode.ERROR],
        ["not_serializable", SpanStatusCode.ERROR],
      ],
    );
  });

  it("run() calls its handler in a consumer's span, whose parent is the producer's, and marks it when it throws", async () => {
    await using connection = storeWith().connect();
    const queue = connection.simpleQueue("jobs");
    await queue.put("well");
    await queue.put("badly");
    const active: (string | undefined)[] = [];
    const stop = new AbortController();
    await connection.consumer(queue.queue).run(
      async (message) => {
        await Promise.resolve();
        active.push(trace.getActiveSpan()?.spanContext().spanId);
        if (message.payload === "well") return;
        stop.abort();
        throw new TypeError("badly");
      },
      { signal: stop.signal, onError: () => {} },
    );
    const [well, badly] = spans("process");
    expect(active).toEqual([well, badly].map((span) => span?.spanContext().spanId));
    for (const [index, span] of [well!, badly!].entries()) {
      const published = spans("publish")[index]!;
      expect(span).toMatchObject({
        name: "process jobs",
        kind: SpanKind.CONSUMER,
        parentSpanContext: { spanId: published.spanContext().spanId, isRemote: true },
        attributes: { "messaging.operation.type": "process", "messaging.destination.name": "jobs" },
      });
      expect(span.spanContext().traceId).toBe(published.spanContext().traceId);
    }
    expect(well?.status.code).toBe(SpanStatusCode.UNSET);
    expect(badly).toMatchObject({
      status: { code: SpanStatusCode.ERROR, message: "badly" },
      attributes: { "error.type": "TypeError" },
      events: [{ name: "exception" }],
    });
  });

  it("receive() tells once of a batch, with links to all who published it, and never of nothing", async () => {
    const { connect } = storeWith(undefined, { numTasks: 10 });
    await using connection = connect();
    const queue = connection.simpleQueue("jobs");
    await expect(queue.getNowait()).rejects.toMatchObject({ code: "empty" });
    expect(spans("receive")).toEqual([]);
    for (const body of [1, 2, 3]) await queue.put(body);
    for (let count = 0; count < 3; count++) await (await queue.get()).ack();
    expect(spans("receive")).toMatchObject([
      {
        name: "receive jobs",
        kind: SpanKind.CLIENT,
        attributes: { "messaging.operation.type": "receive", "messaging.batch.message_count": 3 },
        links: spans("publish").map((span) => ({ context: { spanId: span.spanContext().spanId } })),
      },
    ]);
  });

  it("drainEvents() traces callbacks, and a span that is active beside the message's is linked", async () => {
    await using connection = storeWith().connect();
    const queue = connection.simpleQueue("jobs");
    await queue.put(1);
    const consumer = connection.consumer(queue.queue, { callbacks: [(_, message) => message.ack()] });
    await consumer.consume();
    const loop = await application.startActiveSpan("loop", async (span) => {
      await connection.drainEvents({ timeoutMs: 0 });
      span.end();
      return span.spanContext();
    });
    expect(spans("process")).toMatchObject([
      {
        parentSpanContext: { spanId: spans("publish")[0]!.spanContext().spanId },
        links: [{ context: { spanId: loop.spanId } }],
      },
    ]);
  });

  it("message.traced() is a consumer's span for loops and get()", async () => {
    await using connection = storeWith().connect();
    const queue = connection.simpleQueue("jobs");
    await queue.put({ a: 1 });
    const message = await queue.get();
    const result = await message.traced(() => {
      application.startSpan("inner").end();
      return "done";
    });
    expect(result).toBe("done");
    const inner = exporter.getFinishedSpans().find(({ name }) => name === "inner");
    const [processed] = spans("process");
    expect(inner?.parentSpanContext?.spanId).toBe(processed?.spanContext().spanId);
    expect(processed?.parentSpanContext?.spanId).toBe(spans("publish")[0]?.spanContext().spanId);
  });

  it("a raw body has its context in its task, and hostile headers are none", async () => {
    await using connection = storeWith().connect();
    const raw = connection.simpleQueue("raw", { envelope: "raw" });
    await raw.put("bytes");
    const message = await raw.get();
    expect(message.headers).toEqual({});
    await message.traced(() => {});
    expect(spans("process")[0]?.parentSpanContext?.spanId).toBe(spans("publish")[0]?.spanContext().spanId);
  });

  it("headers that hold anything but a context are none, and a publish puts its own in their place", async () => {
    await using untraced = new Connection("memory://odd", { tracing: false });
    await using connection = new Connection("memory://odd");
    for (const traceparent of [
      "00-nonsense",
      7,
      ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
      null,
    ]) {
      await untraced.simpleQueue("q").put(1, { headers: { traceparent } });
      await (await connection.simpleQueue("q").get()).traced(() => {});
    }
    expect(spans("process").map(({ parentSpanContext }) => parentSpanContext)).toEqual(
      Array(4).fill(undefined),
    );
    await connection.simpleQueue("q").put(1, { headers: { traceparent: "00-nonsense" } });
    const { headers } = await connection.simpleQueue("q").get();
    expect(headers.traceparent).toBe(traceparentOf(spans("publish")[0]!));
  });

  it("publish() carries the active context where a program has a propagator and no tracer, and a tracer that comes later is used", async () => {
    await using connection = storeWith().connect();
    const queue = connection.simpleQueue("q");
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const active = { traceId, spanId: "b7ad6b7169203331", traceFlags: 1 };
    trace.disable();
    try {
      await context.with(trace.setSpanContext(context.active(), active), () => queue.put(1));
    } finally {
      trace.setGlobalTracerProvider(provider);
    }
    expect((await queue.get()).headers).toEqual({ traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    expect(spans("publish")).toEqual([]);
    await queue.put(2);
    expect(spans("publish")).toHaveLength(1);
  });

  it("tracing false makes no spans and leaves headers alone", async () => {
    await using connection = new Connection("memory://untraced", { tracing: false });
    const queue = connection.simpleQueue("q");
    await application.startActiveSpan("request", async (span) => {
      await queue.put(1);
      span.end();
    });
    const message = await queue.get();
    expect(await message.traced(() => message.headers)).toEqual({});
    expect([...spans("publish"), ...spans("receive"), ...spans("process")]).toEqual([]);
  });
});

/** A process in which a package cannot be found, as after an installation without it. */
function runWithout(packageName: string, program: string) {
  const preload = fileURLToPath(new URL("./programs/without-package.cjs", import.meta.url));
  const index = fileURLToPath(new URL("../dist/index.js", import.meta.url));
  return spawnSync(
    process.execPath,
    ["--require", preload, "--input-type=module", "--eval", program.replace("KOMBU", JSON.stringify(index))],
    { encoding: "utf8", env: { ...process.env, WITHOUT_PACKAGE: packageName } },
  );
}

describe("packages that are not installed", () => {
  it.each([
    ["@opentelemetry/api", "new Connection('memory:', { tracing: true })", "the option tracing"],
    [
      "@msgpack/msgpack",
      "new SerializerRegistry().dumps(1, { serializer: 'msgpack' })",
      'the serializer "msgpack"',
    ],
    [
      "yaml",
      "new SerializerRegistry().loads(Buffer.from('a'), 'application/x-yaml', 'utf-8', { accept: ['yaml'] })",
      'reading with the serializer "yaml"',
    ],
    ["seek-bzip", "new CompressionRegistry().decompress(Buffer.from('a'), 'bzip2')", "reading bzip2"],
  ])("without %s, %s says what needs it and how to get it", (packageName, call, purpose) => {
    const { stdout, stderr } = runWithout(
      packageName,
      `import { CompressionRegistry, Connection, SerializerRegistry } from KOMBU;
       try { ${call}; } catch (error) { console.log(error.code, error.message); }`,
    );
    expect([stdout, stderr]).toEqual([
      `not_supported ${purpose} needs the package ${packageName}: npm install ${packageName}\n`,
      "",
    ]);
  });

  it("without @opentelemetry/api everything else works", () => {
    const { stdout, stderr } = runWithout(
      "@opentelemetry/api",
      `import { Connection } from KOMBU;
       const connection = new Connection("memory:");
       const queue = connection.simpleQueue("q");
       await queue.put({ a: 1 });
       const message = await queue.get();
       console.log(await message.traced(() => JSON.stringify([message.payload, message.headers])));
       await connection.close();`,
    );
    expect([stdout, stderr]).toEqual(['[{"a":1},{}]\n', ""]);
  });
});
