import { Connection, type Message, type MessageIterator, Queue, type Schema } from "@pullqueue/kombu";
import * as v from "valibot";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { settled, storeWith } from "./support.js";

interface Order {
  readonly id: number;
  readonly note?: string | undefined;
}

/** One rule in the words of two libraries: an id, and a note that may be missing. */
const SCHEMAS: readonly (readonly [string, Schema<Order>])[] = [
  ["zod", z.object({ id: z.int(), note: z.string().optional() })],
  ["valibot", v.object({ id: v.pipe(v.number(), v.integer()), note: v.optional(v.string()) })],
];

/** A rule whose two ends have different types: text on the way, a Date for the consumer. */
const appointment = z.object({
  at: z.iso.datetime().transform((text) => new Date(text)),
  seats: z.int().default(1),
});

/** A validator that takes its time, until it is let go. */
function slowSchema() {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const schema: Schema<unknown, string> = {
    "~standard": {
      version: 1,
      vendor: "test",
      async validate(value) {
        asked();
        await gate;
        return typeof value === "string"
          ? { value: value.toUpperCase() }
          : { issues: [{ message: "no text" }] };
      },
    },
  };
  return { schema, letGo: () => letGo(), isAsked };
}

describe.each(SCHEMAS)("a queue with a schema of %s", (_, schema) => {
  it("put() refuses a payload that does not fit before anything is sent, and says what is wrong and where", async () => {
    const { connect, store } = storeWith();
    await using connection = connect();
    const orders = connection.simpleQueue(new Queue("orders", { schema }));
    const error = await orders.put({ id: "one" } as unknown as Order).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "schema_mismatch", issues: [{ path: "$.id" }] });
    expect(String(error)).toMatch(/Invalid .*, at \$\.id$/);
    expect((await store.listQueues("p", {})).queues).toEqual([]);
    await orders.put({ id: 1, note: "two" });
    expect((await orders.get()).payload).toEqual({ id: 1, note: "two" });
  });

  it("get() gives a message whose payload throws when it does not fit, again and again, and which can be settled", async () => {
    await using connection = storeWith().connect();
    await connection.simpleQueue("orders").put({ id: "1" });
    const message = await connection.simpleQueue("orders", { schema }).get();
    for (let time = 0; time < 2; time++) {
      expect(() => message.payload).toThrow(expect.objectContaining({ code: "schema_mismatch" }));
    }
    expect(message.json()).toEqual({ id: "1" });
    await message.reject();
  });

  it("Queue.get() and a consumer's own schema guard too", async () => {
    await using connection = storeWith().connect();
    const queue = new Queue("orders", { schema });
    const producer = connection.producer({ routingKey: "orders" });
    await queue.bind(await connection.channel()).declare();
    await producer.publish({ id: 1 });
    await producer.publish({ id: null });
    const bound = queue.bind(await connection.channel());
    expect((await bound.get({ noAck: true }))?.payload).toEqual({ id: 1 });
    const refused: unknown[] = [];
    const consumer = connection.consumer(new Queue("orders"), {
      schema,
      onDecodeError: (message, error) => void refused.push([message.json(), (error as Error).name]),
      callbacks: [() => expect.unreachable()],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 0 });
    expect(refused).toEqual([[{ id: null }, "KombuError"]]);
  });
});

describe("a producer with a schema", () => {
  it("publish() refuses before it declares, and a body that is serialized already", async () => {
    await using connection = storeWith().connect();
    const producer = connection.producer({ routingKey: "orders", schema: z.object({ id: z.int() }) });
    await expect(producer.publish({ id: 1.5 }, { declare: [new Queue("orders")] })).rejects.toMatchObject({
      code: "schema_mismatch",
    });
    const publishText = producer.publish("{}" as never, { contentType: "application/json" });
    await expect(publishText).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("publish() sends the payload as it is given, and the consumer gets what the schema makes of it", async () => {
    await using connection = storeWith().connect();
    const queue = new Queue("appointments", { schema: appointment });
    const appointments = connection.simpleQueue(queue);
    await appointments.put({ at: "2024-01-02T03:04:05Z" });
    const message = await appointments.get();
    expect(message.payload).toEqual({ at: new Date("2024-01-02T03:04:05Z"), seats: 1 });
    expect(message.json()).toEqual({ at: "2024-01-02T03:04:05Z" });
  });

  it("publish() refuses what a validator throws at, with its cause, and shows five of many complaints", async () => {
    await using connection = storeWith().connect();
    const cause = new Error("validators should not throw");
    const thrower = z.string().refine(() => {
      throw cause;
    });
    const queue = connection.simpleQueue("q", { schema: thrower });
    await expect(queue.put("x")).rejects.toMatchObject({ code: "schema_mismatch", cause });
    const many = connection.simpleQueue("q", { schema: z.array(z.int()) });
    const error = await many.put(Array(9).fill("x") as number[]).catch((e: unknown) => e);
    expect(error).toMatchObject({ issues: { length: 9 } });
    expect(String(error)).toMatch(/at \$\[4\]; and 4 more$/);
  });
});

describe("a consumer of a queue with a schema", () => {
  const schema = z.object({ id: z.int() });
  const queue = new Queue("orders", { schema });

  async function withMessages(...payloads: unknown[]) {
    const world = storeWith();
    const connection = world.connect();
    const orders = connection.simpleQueue("orders");
    for (const payload of payloads) await orders.put(payload);
    return { ...world, connection };
  }

  it("run() gives what does not fit to onDecodeError and rejects it, and goes on", async () => {
    const { connection } = await withMessages({ id: 1 }, { id: "2" }, "3", { id: 4 });
    await using _ = connection;
    const refused: unknown[] = [];
    const handled: number[] = [];
    const stop = new AbortController();
    await connection.consumer(queue, { onDecodeError: (message) => void refused.push(message.json()) }).run(
      (message) => {
        handled.push(message.payload.id);
        if (handled.length === 2) stop.abort();
      },
      { signal: stop.signal },
    );
    expect([handled, refused]).toEqual([
      [1, 4],
      [{ id: "2" }, 3],
    ]);
    expect(await connection.simpleQueue("orders").qsize()).toBe(0);
  });

  it("run() without onDecodeError counts it as a failure of the handler, who never sees it, until attemptsMax", async () => {
    const { connection, advance } = await withMessages({ id: "1" });
    await using _ = connection;
    const errors: unknown[] = [];
    const stop = new AbortController();
    const running = connection.consumer(queue).run(() => expect.unreachable(), {
      signal: stop.signal,
      attemptsMax: 2,
      onError: (error) => void errors.push(error),
    });
    await advance(10_000);
    stop.abort();
    await running;
    expect(errors).toMatchObject([{ code: "schema_mismatch" }, { code: "schema_mismatch" }]);
    expect(await connection.simpleQueue("orders").qsize()).toBe(0);
  });

  it("for await gives only what fits where onDecodeError takes the rest", async () => {
    const { connection, connect } = await withMessages({ id: "1" }, { id: 2 });
    const refused: unknown[] = [];
    const consumer = connection.consumer(queue, {
      onDecodeError: (message) => void refused.push(message.json()),
    });
    for await (const message of consumer) {
      expect(message.payload.id).toBe(2);
      await message.ack();
      break;
    }
    expect(refused).toEqual([{ id: "1" }]);
    await connection.close(); // Which gives back what is held.
    await using other = connect();
    expect(await other.simpleQueue("orders").qsize()).toBe(0);
  });

  it("for await without onDecodeError gives the message, whose payload throws, and goes on", async () => {
    const { connection } = await withMessages({ id: "1" }, { id: 2 });
    await using _ = connection;
    const seen: unknown[] = [];
    for await (const message of connection.consumer(queue)) {
      try {
        seen.push(message.payload.id);
      } catch (error) {
        seen.push((error as { code: string }).code);
      }
      await message.ack();
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(["schema_mismatch", 2]);
  });

  it("drainEvents() calls onMessage only with what fits", async () => {
    const { connection } = await withMessages({ id: "1" }, { id: 2 });
    await using _ = connection;
    const seen: unknown[] = [];
    const consumer = connection.consumer(queue, {
      onMessage: (message) => void seen.push(message.payload),
      onDecodeError: (_message, error) => void seen.push((error as { code: string }).code),
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 0 });
    await connection.drainEvents({ timeoutMs: 0 });
    expect(seen).toEqual(["schema_mismatch", { id: 2 }]);
  });

  it("a raw body is read as JSON if it is that, and held against the schema as bytes otherwise", async () => {
    await using connection = storeWith().connect();
    const raw = connection.simpleQueue(queue, { envelope: "raw" });
    await raw.put({ id: 1 });
    await connection.simpleQueue("orders", { envelope: "raw" }).put("no JSON");
    expect((await raw.get()).payload).toEqual({ id: 1 });
    const bytes = connection.simpleQueue("orders", { schema: z.instanceof(Uint8Array) });
    expect(Buffer.from((await bytes.get()).payload).toString()).toBe("no JSON");
  });

  it("a schema that takes its time is awaited before anybody sees the message", async () => {
    await using connection = storeWith().connect();
    const { schema, letGo, isAsked } = slowSchema();
    await connection.simpleQueue("texts").put("a");
    const getting = connection.simpleQueue("texts", { schema }).get();
    await isAsked;
    letGo();
    expect((await getting).payload).toBe("A");
  });

  it("who leaves while a schema takes its time gives the message back unseen", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    const texts = connection.simpleQueue("texts");
    await texts.put("a");
    for (const way of ["loop", "get"]) {
      const { schema, letGo, isAsked } = slowSchema();
      const stop = new AbortController();
      const simple = connection.simpleQueue("texts", { schema });
      const loop: MessageIterator<string> = connection.consumer(new Queue("texts"), { schema }).messages();
      const waiting = way === "loop" ? loop.next() : simple.get({ signal: stop.signal });
      const ended = waiting.then(
        (result) => result,
        (error: unknown) => error,
      );
      await isAsked;
      stop.abort(new Error("enough"));
      const left = loop.return();
      await settled();
      letGo();
      expect(await ended).toEqual(way === "loop" ? { done: true, value: undefined } : new Error("enough"));
      await left;
      expect(await texts.qsize()).toBe(1);
    }
    expect((await texts.get()).deliveryInfo.attempts).toBe(1);
  });
});

describe("the types that follow from schemas", () => {
  const queue = new Queue("appointments", { schema: appointment });
  const numbers = new Queue("numbers", { schema: z.number() });
  type In = { at: string; seats?: number | undefined };
  type Out = { at: Date; seats: number };

  it("types of payloads follow from the schema, and are unknown without one", async () => {
    await using connection = storeWith().connect();
    expectTypeOf(connection.simpleQueue(queue).put).parameter(0).toEqualTypeOf<In>();
    expectTypeOf(connection.simpleQueue(queue).get).returns.resolves.toEqualTypeOf<Message<Out>>();
    expectTypeOf(connection.simpleQueue("x", { schema: appointment }).put)
      .parameter(0)
      .toEqualTypeOf<In>();
    expectTypeOf(connection.producer({ schema: appointment }).publish)
      .parameter(0)
      .toEqualTypeOf<In>();
    expectTypeOf(queue.get).returns.resolves.toEqualTypeOf<Message<Out> | null>();
    connection.consumer(queue, { callbacks: [(body) => expectTypeOf(body).toEqualTypeOf<Out>()] });
    connection.consumer([queue, numbers], {
      callbacks: [(body) => expectTypeOf(body).toEqualTypeOf<Out | number>()],
    });
    connection.consumer([new Queue("a"), new Queue("b")], {
      schema: numbers.schema,
      onMessage: (message) => expectTypeOf(message).toEqualTypeOf<Message<number>>(),
    });
    const consumer = connection.consumer(queue);
    expectTypeOf(consumer.run).parameter(0).parameter(0).toEqualTypeOf<Message<Out>>();
    expectTypeOf(consumer.messages).returns.toEqualTypeOf<MessageIterator<Out>>();

    expectTypeOf(new Queue("q")).toEqualTypeOf<Queue<unknown, unknown>>();
    expectTypeOf(connection.producer().publish).parameter(0).toBeUnknown();
    expectTypeOf(connection.simpleQueue("q").get).returns.resolves.toEqualTypeOf<Message<unknown>>();
    connection.consumer(new Queue("q"), { callbacks: [(body) => expectTypeOf(body).toBeUnknown()] });
    expectTypeOf<Message>().toHaveProperty("payload").toBeUnknown();
    expectTypeOf(queue).toExtend<Queue>();
  });

  it("a schema that is none is refused", async () => {
    const schema = { parse: () => 1 } as unknown as Schema;
    for (const make of [
      () => new Queue("q", { schema }),
      () => new Connection("memory:").producer({ schema }),
      () => new Connection("memory:").consumer(new Queue("q"), { schema }),
      () => new Connection("memory:").simpleQueue("q", { schema }),
    ]) {
      expect(make).toThrow("schema must be a Standard Schema");
    }
  });
});
