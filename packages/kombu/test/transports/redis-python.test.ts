import { fileURLToPath } from "node:url";
import { systemClock } from "@pullqueue/core";
import { type Connection, Exchange, type ExchangeType, type Message, Queue } from "@pullqueue/kombu";
import { type Child, isMissing, startChild } from "@pullqueue/testing";
import { programPath } from "@pullqueue/testing/program-path";
import { describe, expect, it, onTestFinished } from "vitest";
import { useRedis } from "./redis-support.js";

const SCRIPT = fileURLToPath(new URL("../python/redis_interop.py", import.meta.url));
const PATIENCE_MS = 20_000;

/** A message as Python's kombu has it. */
interface PythonMessage {
  readonly payload: unknown;
  readonly content_type: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly delivery_info: Readonly<Record<string, unknown>>;
  readonly tag: string;
}

/** A process with Debian's kombu. */
interface Python {
  readonly child: Child;
  ask<T = null>(verb: string, job?: Readonly<Record<string, unknown>>): Promise<T>;
}

describe.skipIf(isMissing("redis-server") || isMissing("python3-redis"))(
  "Python's kombu on the same Redis",
  () => {
    const under = useRedis();
    const real = { clock: systemClock() };
    let jobs = 0;

    async function python(options: Readonly<Record<string, unknown>> = {}): Promise<Python> {
      const url = `${under.instance.url}/0`;
      const child = startChild("/usr/bin/python3", [SCRIPT, url, JSON.stringify(options)]);
      onTestFinished(async () => void (await child.stop()));
      await child.line(/^ready$/, PATIENCE_MS);
      return {
        child,
        async ask<T>(verb: string, job = {}) {
          const id = jobs++;
          child.write(JSON.stringify({ id, verb, ...job }));
          const [, text] = await child.line(new RegExp(`^answer (\\{"id": ${id}, .*)$`), PATIENCE_MS);
          const answer = JSON.parse(text!) as { readonly ok?: T; readonly error?: string };
          if (answer.error !== undefined) throw new Error(answer.error);
          return answer.ok!;
        },
      };
    }

    async function get(connection: Connection, name: string): Promise<Message> {
      const message = await new Queue(name).bind(await connection.channel()).get();
      expect(message).not.toBeNull();
      return message!;
    }

    async function bound(
      connection: Connection,
      type: ExchangeType,
      bindings: Readonly<Record<string, string>>,
    ) {
      const exchange = new Exchange("ex", type);
      const channel = await connection.channel();
      for (const [name, routingKey] of Object.entries(bindings)) {
        await new Queue(name, { exchange, routingKey }).bind(channel).declare();
      }
      return exchange;
    }

    const BODIES: readonly unknown[] = [
      { text: "Thé 葉 😀", list: [1, 2.5, null, true] },
      "plain text 葉",
      Uint8Array.from([0, 255, 128]),
    ];

    it("what we publish it reads: types, bodies, headers, properties, priorities", async () => {
      const peer = await python();
      const producer = under.connect().producer({ routingKey: "q" });
      for (const body of BODIES) {
        await producer.publish(body, {
          headers: { h: [1, "葉"] },
          ...{ correlationId: "c", replyTo: "r", expirationMs: 60_000 },
        });
        const got = await peer.ask<PythonMessage>("get", { queue: "q", settle: "ack" });
        const expected = body instanceof Uint8Array ? { base64: Buffer.from(body).toString("base64") } : body;
        expect(got).toMatchObject({
          ...{ payload: expected, headers: { h: [1, "葉"] } },
          properties: { correlation_id: "c", reply_to: "r", expiration: "60000" },
        });
      }
      await producer.publish({ a: 1 }, { compression: "gzip" });
      expect(await peer.ask("get", { queue: "q", settle: "ack" })).toMatchObject({ payload: { a: 1 } });
      for (const priority of [9, 6, 3, 0]) await producer.publish(priority, { priority });
      for (const priority of [0, 3, 6, 9]) {
        expect(await peer.ask("get", { queue: "q", settle: "ack" })).toMatchObject({ payload: priority });
      }
    });

    it.skipIf(isMissing("python3-msgpack") || isMissing("python3-yaml"))(
      "each reads the other's MessagePack and YAML",
      async () => {
        const peer = await python();
        const connection = under.connect();
        const producer = connection.producer({ routingKey: "q" });
        const queue = new Queue("q").bind(await connection.channel());
        const body = { text: "Thé 葉 😀", list: [1, 2.5, null, true], 葉: { "1:30": "no" } };
        for (const serializer of ["msgpack", "yaml"] as const) {
          await producer.publish(body, { serializer });
          const job = { queue: "q", settle: "ack", accept: [serializer] };
          const read = await peer.ask<PythonMessage>("get", job);
          expect(read).toMatchObject({ payload: body, content_type: `application/x-${serializer}` });
          await peer.ask("publish", { routing_key: "q", body, options: { serializer } });
          const message = (await queue.get({ accept: [serializer] }))!;
          expect(message.payload).toEqual(body);
          await message.ack();
        }
      },
    );

    it("what it publishes we read: types, bodies, headers, properties, priorities", async () => {
      const peer = await python();
      const connection = under.connect();
      for (const body of BODIES) {
        const job = body instanceof Uint8Array ? { base64: Buffer.from(body).toString("base64") } : { body };
        const options = { headers: { h: [1, "葉"] }, correlation_id: "c", reply_to: "r", expiration: 60 };
        await peer.ask("publish", { routing_key: "q", options, ...job });
        const message = await get(connection, "q");
        const { payload } = message;
        expect(payload instanceof Uint8Array ? Uint8Array.from(payload) : payload).toEqual(body);
        expect(message.headers).toEqual({ h: [1, "葉"] });
        expect(message.properties).toMatchObject({ correlation_id: "c", reply_to: "r", expiration: "60000" });
        await message.ack();
      }
      await peer.ask("publish", { routing_key: "q", body: { a: 1 }, options: { compression: "zlib" } });
      expect((await get(connection, "q")).payload).toEqual({ a: 1 });
      for (const priority of [9, 6, 3, 0]) {
        await peer.ask("publish", { routing_key: "q", body: priority, options: { priority } });
      }
      for (const priority of [0, 3, 6, 9]) expect((await get(connection, "q")).payload).toBe(priority);
    });

    it.each([
      ["direct", { one: "key", two: "key", other: "else" }, "key", ["one", "two"]],
      ["topic", { one: "stock.#", two: "stock.us.*", other: "weather.#" }, "stock.us.nasdaq", ["one", "two"]],
    ] as const)(
      "%s: each side reaches the queues that the other bound",
      async (type, bindings, routingKey, reached) => {
        const [peer, connection] = [await python(), under.connect()];
        for (const [queue, key] of Object.entries(bindings)) {
          await peer.ask("declare", { queue, exchange: "ex", type, routing_key: key });
        }
        const exchange = new Exchange("ex", type);
        const { queues } = await connection.producer({ exchange }).publish("ours", { routingKey });
        expect(queues).toEqual(reached);
        for (const queue of reached) {
          expect(await peer.ask("get", { queue, settle: "ack" })).toMatchObject({ payload: "ours" });
        }
        const stored = await under.admin.smembers("_kombu.binding.ex");
        await under.admin.del("_kombu.binding.ex");
        await bound(connection, type, bindings);
        expect((await under.admin.smembers("_kombu.binding.ex")).sort()).toEqual(stored.sort());
        await peer.ask("publish", { exchange: "ex", type, routing_key: routingKey, body: "theirs" });
        for (const queue of reached) expect((await get(connection, queue)).payload).toBe("theirs");
        expect(await under.admin.llen("other")).toBe(0);
      },
    );

    it("fanout: each side hears the other", async () => {
      const [peer, connection] = [await python(), under.connect()];
      await peer.ask("consume", { queue: "theirs", exchange: "ex", type: "fanout" });
      const exchange = await bound(connection, "fanout", { ours: "" });
      await connection.producer({ exchange }).publish("from us");
      expect(await peer.ask("drain", { count: 1 })).toEqual(["from us"]);
      expect((await get(connection, "ours")).payload).toBe("from us");
      await peer.ask("publish", { exchange: "ex", type: "fanout", body: "from them" });
      expect((await get(connection, "ours")).payload).toBe("from them");
      expect(await peer.ask("drain", { count: 1 })).toEqual(["from them"]);
    });

    it("each side answers the other in the queue that the question names", async () => {
      const [peer, connection] = [await python(), under.connect()];
      await connection
        .producer({ routingKey: "rpc" })
        .publish("ask", { replyTo: "ours", correlationId: "1" });
      const question = await peer.ask<PythonMessage>("get", { queue: "rpc", settle: "ack" });
      const { reply_to, correlation_id } = question.properties;
      await peer.ask("publish", { routing_key: reply_to, body: "yes", options: { correlation_id } });
      const answer = await get(connection, "ours");
      expect([answer.payload, answer.properties.correlation_id]).toEqual(["yes", "1"]);
      await peer.ask("publish", { routing_key: "rpc", body: "ask", options: { reply_to: "theirs" } });
      const asked = await get(connection, "rpc");
      await connection.producer().publish("no", { routingKey: asked.properties.reply_to! });
      expect(await peer.ask("get", { queue: "theirs", settle: "ack" })).toMatchObject({ payload: "no" });
    });

    it("what one side gives back the other gets, marked", async () => {
      const [peer, connection] = [await python(), under.connect()];
      await connection.producer({ routingKey: "q" }).publish("hi");
      await (await get(connection, "q")).requeue();
      const { tag, headers } = await peer.ask<PythonMessage>("get", { queue: "q" });
      expect(headers).toEqual({ redelivered: true });
      await peer.ask("settle", { tag, how: "requeue" });
      const again = await get(connection, "q");
      expect(again.deliveryInfo).toMatchObject({ redelivered: true, attempts: 2 });
      await again.ack();
      expect(await under.admin.exists("q", "unacked", "unacked_index")).toBe(0);
    });

    it("it restores what a killed process of ours held: to the queue it came from, and to no other", async () => {
      const connection = under.connect();
      const exchange = await bound(connection, "direct", { one: "key", two: "key" });
      await connection.producer({ exchange, routingKey: "key" }).publish("hi");
      await under.admin.lpush("one", Buffer.from([0xff, 0x00, 0x22]));
      await killedHolder({ queue: "one", count: 2 });
      const peer = await python({ visibility_timeout: 1 });
      await peer.ask("declare", { queue: "one", exchange: "ex", routing_key: "key" });
      await untilOld();
      await peer.ask("sweep");
      expect([await under.admin.llen("one"), await under.admin.llen("two")]).toEqual([2, 1]);
      expect(await under.admin.exists("unacked")).toBe(0);
      const [first, raw] = [await get(connection, "one"), await get(connection, "one")];
      expect([first.payload, first.deliveryInfo.redelivered]).toEqual(["hi", true]);
      expect([raw.raw, Buffer.from(raw.body)]).toEqual([true, Buffer.from([0xff, 0x00, 0x22])]);
    });

    it("it leaves alone what we hold and renew", async () => {
      const connection = under.connect({ visibilityTimeoutMs: 1_000 }, real);
      await connection.producer({ routingKey: "q" }).publish("hi");
      const message = await get(connection, "q");
      const peer = await python({ visibility_timeout: 1 });
      await untilOld();
      await untilOld();
      await peer.ask("sweep");
      expect(await under.admin.llen("q")).toBe(0);
      await message.ack();
      expect(await under.admin.exists("unacked", "unacked_index")).toBe(0);
    });

    it("it leaves alone what a program of ours holds while its event loop is blocked", async () => {
      await under.connect({}, real).producer({ routingKey: "q" }).publish("hi");
      const url = `${under.instance.url}/0?visibility_timeout=2`;
      const holder = startChild(process.execPath, [programPath("blocking-consumer"), url, "q", "1", "8000"]);
      onTestFinished(async () => void (await holder.stop()));
      await holder.line(/^handling hi$/, PATIENCE_MS);
      const peer = await python({ visibility_timeout: 2 });
      for (let second = 0; second < 3; second++) await untilOld();
      await peer.ask("sweep");
      expect(await under.admin.llen("q")).toBe(0);
      await holder.line(/^acked hi$/, PATIENCE_MS);
      expect(await under.admin.exists("unacked", "unacked_index")).toBe(0);
    });

    it("we restore what a killed process of it held, and refuse nothing to one that lives", async () => {
      const [killed, alive] = [await python(), await python()];
      await killed.ask("publish", { routing_key: "q", body: "dead", options: { priority: 6 } });
      await killed.ask("get", { queue: "q" });
      killed.child.signal("SIGKILL");
      await killed.child.exited(PATIENCE_MS);
      const waiting = under
        .connect({ visibilityTimeoutMs: 1_000 }, real)
        .simpleQueue("q")
        .get({ timeoutMs: PATIENCE_MS });
      const message = await waiting;
      expect([message.payload, message.deliveryInfo.redelivered]).toEqual(["dead", true]);
      await message.ack();
      await alive.ask("publish", { routing_key: "q", body: "alive" });
      expect(await alive.ask("get", { queue: "q" })).toMatchObject({ payload: "alive" });
      expect(await new Queue("q").bind(await under.connect({}, real).channel()).get()).toBeNull();
    });

    it("it reads our dead letters with their headers, and its own expiration is heeded", async () => {
      const peer = await python();
      const connection = under.connect({}, real);
      const queue = new Queue("q", { deadLetterQueue: "dead" });
      await queue.bind(await connection.channel()).declare();
      const seconds = Math.floor(Date.now() / 1000);
      const options = { headers: { own: "kept" }, correlation_id: "c" };
      await peer.ask("publish", { routing_key: "q", body: { order: 7 }, options });
      const expired = { expiration: 1, timestamp: seconds - 10 };
      await peer.ask("publish", { routing_key: "q", body: "late", options: expired });
      await peer.ask("publish", {
        routing_key: "q",
        body: "alive",
        options: { expiration: 60, timestamp: seconds },
      });
      await (await get(connection, "q")).reject();
      expect((await get(connection, "q")).payload).toBe("alive");
      const death = { queue: "q", count: 1, exchange: "", "routing-keys": ["q"], time: expect.any(Number) };
      for (const [payload, reason] of [
        [{ order: 7 }, "rejected"],
        ["late", "expired"],
      ]) {
        const letter = await peer.ask<PythonMessage>("get", { queue: "dead", settle: "ack" });
        expect(letter.payload).toEqual(payload);
        expect(letter.headers["x-death"]).toEqual([
          { ...death, reason, ...(reason === "expired" ? { "original-expiration": "1000" } : {}) },
        ]);
        expect(letter.properties.expiration).toBeUndefined();
        if (reason === "rejected") {
          expect(letter).toMatchObject({ headers: { own: "kept" }, properties: { correlation_id: "c" } });
        }
      }
    });

    /** A process of ours that takes messages and is killed. Needs the build. */
    async function killedHolder({
      queue,
      count,
    }: {
      readonly queue: string;
      readonly count: number;
    }): Promise<void> {
      const program = `
      import { Connection, Queue } from "@pullqueue/kombu";
      const connection = new Connection(process.argv[1]);
      const queue = new Queue(process.argv[2]).bind(await connection.channel());
      for (let taken = 0; taken < Number(process.argv[3]); taken++) await queue.get();
      console.log("holds");
    `;
      const child = startChild(process.execPath, [
        "--input-type=module",
        "-e",
        program,
        `${under.instance.url}/0`,
        queue,
        String(count),
      ]);
      onTestFinished(async () => void (await child.stop()));
      await child.line(/^holds$/, PATIENCE_MS);
      child.signal("SIGKILL");
      await child.exited(PATIENCE_MS);
    }

    /** Python's clock cannot be turned, and its visibility timeout is a second here. */
    async function untilOld(): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1_100));
    }
  },
);
