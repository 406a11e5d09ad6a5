import { type Clock, randomFraction, systemClock } from "@pullqueue/core";
import type { Delivery, MessageContent, Route, Transport } from "@pullqueue/kombu";
import { openRedisTransport, redisSettings } from "@pullqueue/kombu/transports/redis";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it } from "vitest";
import { useRedis } from "./redis-support.js";

const LEASE_MS = 10_000;
const VISIBILITY_MS = 60_000;
const US_PER_HOUR = 3_600_000_000;

const route = (queue: string, more: Partial<Route> = {}): Route => ({
  ...{ exchange: "", routingKey: queue, mandatory: false, envelope: true },
  ...{ idempotencyKey: `k${keys++}`, ...more },
});
let keys = 0;

const content = (body: string, properties = {}): MessageContent => ({
  ...{ body: Buffer.from(body), contentType: "text/plain", contentEncoding: "utf-8" },
  ...{ headers: {}, properties, raw: false },
});

const bodies = (deliveries: readonly Delivery[]) =>
  deliveries.map(({ content: { body } }) => Buffer.from(body).toString());

const look = (transport: Transport, queue = "q", max = 1) =>
  transport.receive({ queues: [queue], max, waitMs: 0 });

describe.skipIf(isMissing("redis-server"))("the redis transport", () => {
  const under = useRedis();

  describe("holding", () => {
    it("ack() of a message that was restored meanwhile is lease_lost, and leaves the other delivery alone", async () => {
      const [holder, other] = [
        await under.open({ visibilityTimeoutMs: LEASE_MS }),
        await under.open({ visibilityTimeoutMs: LEASE_MS }),
      ];
      await holder.publish(content("hi"), route("q"));
      const [late] = await look(holder);
      under.clock.advance(LEASE_MS - 1);
      expect(await look(other)).toEqual([]);
      under.clock.advance(1);
      const [again] = await look(other);
      expect(again?.info).toMatchObject({ redelivered: true, attempts: 2 });
      for (const call of ["ack", "release", "extend"] as const) {
        await expect(holder[call](late!)).rejects.toMatchObject({ code: "lease_lost" });
      }
      await other.ack(again!);
      expect(await under.admin.keys("[^p]*")).toEqual([]);
    });

    it("a lease may be shorter than the visibility timeout: its score is written so that the one tells the other", async () => {
      const options = { visibilityTimeoutMs: VISIBILITY_MS, leaseMs: LEASE_MS };
      const [holder, other] = [await under.open(options), await under.open(options)];
      const python = await under.open({ visibilityTimeoutMs: VISIBILITY_MS });
      await holder.publish(content("short"), route("q"));
      await holder.publish(content("long"), route("q"));
      const [short] = await look(holder);
      const [long] = await look(python);
      under.clock.advance(LEASE_MS / 2);
      await holder.extend(short!);
      under.clock.advance(LEASE_MS - 1);
      expect(await look(other)).toEqual([]);
      under.clock.advance(1);
      const restored = await look(other);
      expect(bodies(restored)).toEqual(["short"]);
      await other.ack(restored[0]!);
      expect(await look(other)).toEqual([]);
      await python.ack(long!);
    });

    it("unackedRestoreLimit is how many one look restores", async () => {
      const options = { visibilityTimeoutMs: LEASE_MS, unackedRestoreLimit: 2 };
      const [holder, other] = [await under.open(options), await under.open(options)];
      for (const body of ["a", "b", "c"]) await holder.publish(content(body), route("q"));
      expect(await look(holder, "q", 3)).toHaveLength(3);
      under.clock.advance(LEASE_MS);
      expect(await look(other, "q", 3)).toHaveLength(2);
      expect(await look(other, "q", 3)).toHaveLength(1);
    });

    it("copies of one message that Python put under one tag are held apart", async () => {
      const transport = await under.open();
      const item = `{"body": "aGk=", "headers": {}, "properties": {"delivery_info": {"exchange": "e", "routing_key": "k"}, "body_encoding": "base64", "delivery_tag": "same"}}`;
      await under.admin.lpush("one", item);
      await under.admin.lpush("two", item);
      const [[one], [two]] = [await look(transport, "one"), await look(transport, "two")];
      await transport.ack(one!);
      expect(await under.admin.hlen("unacked")).toBe(1);
      await transport.release(two!);
      expect(await under.admin.llen("one")).toBe(0);
      expect(await under.admin.llen("two")).toBe(1);
    });

    it("what the other side restores nobody knows a queue for is kept", async () => {
      const transport = await under.open({ visibilityTimeoutMs: LEASE_MS });
      await under.admin.hset(
        "unacked",
        "tag",
        '[{"body": "", "properties": {"delivery_tag": "tag"}}, "gone", "key"]',
      );
      await under.admin.hset("unacked", "junk", "no JSON");
      await under.admin.zadd("unacked_index", 1, "tag", 1, "junk", 1, "orphan");
      expect(await look(transport)).toEqual([]);
      expect((await under.admin.hkeys("unacked")).sort()).toEqual(["junk", "tag"]);
      expect((await under.admin.zrange("unacked_index", "0", "-1")).sort()).toEqual(["junk", "tag"]);
    });

    it("each raw item is held as something that Python can restore, and comes back byte for byte", async () => {
      const transport = await under.open({ visibilityTimeoutMs: LEASE_MS });
      const items = [
        ...[Buffer.alloc(0), Buffer.from("not JSON"), Buffer.from('{"order": 7}'), Buffer.from("[1]")],
        ...[Buffer.from([0xff, 0xfe, 0]), Buffer.from('{"body": "\xe9"}', "latin1"), Buffer.from("é葉😀")],
        ...["\xe9", "\xed\xa0\x80", "\xc3", "\xf4\x90\x80\x80"].map((letters) =>
          Buffer.from(`{"body": "${letters}", "properties": {"delivery_tag": "t"}}`, "latin1"),
        ),
        ...[Buffer.from([0xed, 0xa0, 0x80]), Buffer.from("a"), Buffer.from("ab"), Buffer.from("abc")],
      ];
      for (const item of items) await under.admin.lpush("q", item);
      const deliveries = await look(transport, "q", 100);
      expect(deliveries.map(({ content: { body } }) => Buffer.from(body))).toEqual(items);
      for (const record of await under.admin.hvalsBuffer("unacked")) {
        const [{ headers, body }, exchange, queue] = JSON.parse(record.toString());
        expect([headers, exchange, queue]).toEqual([{ "x-pullqueue-raw": true }, "", "q"]);
        expect(items.some((item) => item.toString("base64") === body)).toBe(true);
      }
      under.clock.advance(LEASE_MS);
      const restored = await look(transport, "q", 100);
      expect(restored.map(({ content: { body } }) => Buffer.from(body))).toEqual(items);
      expect(restored.every(({ content: { raw } }) => raw)).toBe(true);
    });

    it("an envelope with any letters is held as it is", async () => {
      const transport = await under.open();
      const item = `{ "body": "Thé 葉 😀",\n\t"headers": {}, "properties": {"delivery_tag": "t", "big": 12345678901234567890} }`;
      await under.admin.lpush("q", item);
      const [delivery] = await look(transport);
      expect(await under.admin.hvals("unacked")).toEqual([`[${item}, "", "q"]`]);
      await transport.release(delivery!);
      expect(await under.admin.lrange("q", "0", "-1")).toEqual([
        item.replace('"headers": {}', '"headers": {"redelivered": true}'),
      ]);
    });

    it("release() keeps the priority, and with deliveryCount counts in the message", async () => {
      const transport = await under.open({ deliveryCount: true });
      await transport.publish(content("hi", { priority: 7 }), route("q"));
      for (const attempts of [1, 2, 3]) {
        const [delivery] = await look(transport);
        expect(delivery!.info.attempts).toBe(attempts);
        await transport.release(delivery!);
        expect(await under.admin.llen("q\x06\x166")).toBe(1);
      }
      const [counted] = await look(await under.open());
      expect(counted!.content.headers).toEqual({ redelivered: true, "x-delivery-count": 3 });
      expect(counted!.info.attempts).toBe(4);
    });

    it("release() counts what is nothing but its bytes, as long as the connection is open", async () => {
      const transport = await under.open();
      await under.admin.lpush("q", Buffer.from([0, 255]));
      for (const attempts of [1, 2, 3]) {
        const [delivery] = await look(transport);
        expect(delivery!.info.attempts).toBe(attempts);
        await transport.release(delivery!);
      }
      await transport.ack((await look(transport))[0]!);
      await under.admin.lpush("q", Buffer.from([0, 255]));
      expect((await look(transport))[0]!.info.attempts).toBe(1);
    });

    it.each(["NaN", '"9"', "-5", "1e300"])("a count of deliveries of %s is none", async (count) => {
      const transport = await under.open({ deliveryCount: true });
      await transport.publish(content("hi"), route("q"));
      const item = (await under.admin.rpop("q"))!;
      await under.admin.lpush(
        "q",
        item.replace('"headers": {}', `"headers": {"x-delivery-count": ${count}}`),
      );
      const [delivery] = await look(transport);
      expect(delivery!.info.attempts).toBe(1);
      await transport.release(delivery!);
      expect((await look(transport))[0]!.info.attempts).toBe(2);
    });

    it("messages that somebody else gave one name are told apart when both are dead", async () => {
      const transport = await under.open();
      await transport.publish(content("one"), route("q"));
      const item = (await under.admin.lindex("q", 0))!;
      const other = Buffer.from("two").toString("base64");
      await under.admin.lpush("q", item.replace(Buffer.from("one").toString("base64"), other));
      const to = { exchange: "", routingKey: "dead" };
      for (const delivery of await look(transport, "q", 2)) await transport.reject(delivery, { to });
      expect(bodies(await look(transport, "dead", 2))).toEqual(["one", "two"]);
    });

    it.each([1, -1])(
      "a system's clock that is off by %i h takes nothing from others, and loses nothing to them",
      async (hours) => {
        const real = systemClock();
        const wrong: Clock = { ...real, nowUs: () => real.nowUs() + hours * US_PER_HOUR };
        const openWith = (clock: Clock) =>
          openRedisTransport(
            redisSettings({ host: "127.0.0.1", port: under.instance.port, visibilityTimeoutMs: LEASE_MS }),
            { clock, random: randomFraction, isSystemTime: true },
          );
        await using right = await openWith(real);
        await using other = await openWith(wrong);
        await other.publish(content("a", { expiration: String(LEASE_MS) }), route("q"));
        await other.publish(content("b"), route("later", { delayMs: LEASE_MS }));
        for (const [holder, thief] of [
          [right, other],
          [other, right],
        ] as const) {
          const [held] = await look(holder);
          expect(await look(thief)).toEqual([]);
          await holder.extend(held!);
          expect(await look(thief)).toEqual([]);
          expect(await look(thief, "later")).toEqual([]);
          await holder.release(held!);
        }
        expect(await right.receive({ queues: ["q"], max: 1, waitMs: LEASE_MS })).toHaveLength(1);
      },
    );

    it("release() of what nobody saw leaves it as it was", async () => {
      const transport = await under.open({ deliveryCount: true });
      await transport.publish(content("hi"), route("q"));
      const before = await under.admin.lrange("q", "0", "-1");
      const [delivery] = await look(transport);
      await transport.release(delivery!, { uncounted: true, inPlace: true });
      expect(await under.admin.lrange("q", "0", "-1")).toEqual(before);
    });
  });

  describe("order", () => {
    it.each([
      ["lowest", ["p0", "p2", "p3", "p9"]],
      ["highest", ["p9", "p3", "p0", "p2"]],
    ] as const)("urgentFirst %s", async (urgentFirst, expected) => {
      const transport = await under.open({ urgentFirst });
      for (const priority of [0, 9, 3, 2])
        await transport.publish(content(`p${priority}`, { priority }), route("q"));
      expect(bodies(await look(transport, "q", 10))).toEqual(expected);
    });

    it("queues have turns, in one call and over several", async () => {
      const transport = await under.open();
      for (const queue of ["a", "b"]) {
        for (const number of [1, 2, 3, 4])
          await transport.publish(content(`${queue}${number}`), route(queue));
      }
      const three = await transport.receive({ queues: ["a", "b"], max: 4, waitMs: 0 });
      expect(bodies(three).sort()).toEqual(["a1", "a2", "b1", "b2"]);
      const one = await transport.receive({ queues: ["a", "b"], max: 1, waitMs: 0 });
      const other = await transport.receive({ queues: ["a", "b"], max: 1, waitMs: 0 });
      expect(bodies([...one, ...other]).sort()).toEqual(["a3", "b3"]);
    });
  });

  describe("waiting", () => {
    it("receive() is woken by whoever writes, within milliseconds, and takes nothing before", async () => {
      const transport = await under.open({}, systemClock());
      for (const write of [
        () => under.admin.lpush("q", "x"),
        () => under.admin.lpush("q\x06\x169", "x"),
        () => under.admin.lpush("other", "x"),
      ]) {
        const waiting = transport.receive({ queues: ["q", "other"], max: 1, waitMs: 9_000 });
        await untilTracked();
        expect(await under.admin.keys("*")).toEqual([]);
        const started = performance.now();
        await write();
        const [delivery] = await waiting;
        expect(performance.now() - started).toBeLessThan(1_000);
        await transport.ack(delivery!);
      }
    });

    it("receive() that waits is one call, however long: it asks nothing while there is nothing", async () => {
      const transport = await under.open({}, systemClock());
      const stop = new AbortController();
      const waiting = transport.receive({ queues: ["q"], max: 1, waitMs: 60_000, signal: stop.signal });
      await untilTracked();
      const before = await commandsSoFar();
      await new Promise((resolve) => setTimeout(resolve, 300)); // Nothing happens, and nothing tells so.
      expect((await commandsSoFar()) - before).toBeLessThan(5);
      stop.abort();
      await expect(waiting).rejects.toBe(stop.signal.reason);
    });

    it("the end of a lease wakes who waits for its queue", async () => {
      const options = { visibilityTimeoutMs: 1_000 };
      const [holder, other] = [
        await under.open(options, systemClock()),
        await under.open(options, systemClock()),
      ];
      await holder.publish(content("hi"), route("q"));
      await look(holder);
      const started = performance.now();
      expect(bodies(await other.receive({ queues: ["q"], max: 1, waitMs: 9_000 }))).toEqual(["hi"]);
      expect(performance.now() - started).toBeGreaterThan(800);
      expect(performance.now() - started).toBeLessThan(2_500);
    });

    it("a delayed message wakes who waited before it was published", async () => {
      const transport = await under.open({}, systemClock());
      const waiting = transport.receive({ queues: ["q"], max: 1, waitMs: 9_000 });
      await untilTracked();
      const started = performance.now();
      await transport.publish(content("later", { priority: 6 }), route("q", { delayMs: 200 }));
      expect(bodies(await waiting)).toEqual(["later"]);
      expect(performance.now() - started).toBeGreaterThan(150);
      expect(performance.now() - started).toBeLessThan(2_000);
    });

    it("receive() looks now and then where the server does not tell", async () => {
      await under.admin.call(
        "ACL",
        "SETUSER",
        "poller",
        "on",
        ">secret",
        "~*",
        "&*",
        "+@all",
        "-client|tracking",
      );
      const transport = await under.open(
        { username: "poller", password: "secret", pollingIntervalMs: 20 },
        systemClock(),
      );
      const waiting = transport.receive({ queues: ["q"], max: 1, waitMs: 9_000 });
      await under.admin.lpush("q", "x");
      expect(bodies(await waiting)).toEqual(["x"]);
    });

    /** Resolves when the server watches keys for somebody. */
    async function untilTracked(): Promise<void> {
      while (!/tracking_total_keys:[1-9]/.test(await under.admin.info("stats"))) {
        await new Promise(setImmediate);
      }
    }

    async function commandsSoFar(): Promise<number> {
      return Number(/total_commands_processed:(\d+)/.exec(await under.admin.info("stats"))![1]);
    }
  });

  describe("time", () => {
    it("an expired message is removed, in every list, and its age is in its tag", async () => {
      const transport = await under.open();
      await transport.publish(content("short", { expiration: "1000" }), route("q"));
      await transport.publish(content("long", { expiration: "100000" }), route("q"));
      under.clock.advance(1_000);
      const deliveries = await look(transport, "q", 10);
      expect(bodies(deliveries)).toEqual(["long"]);
      expect(deliveries[0]!.info.enqueuedAtMs).toBe(under.clock.nowUs() / 1000 - 1_000);
      expect(await under.admin.hlen("unacked")).toBe(1);
    });

    it("a queue's own time to live is renewed by every writer and by a reader, and ends its messages", async () => {
      const [declarer, writer] = [await under.open(), await under.open()];
      const queue = { name: "q", durable: true, exclusive: false, autoDelete: false };
      await declarer.topology.declareQueue({ ...queue, arguments: { "x-expires": 60_000 } }, false);
      await writer.publish(content("hi"), route("q"));
      for (const key of ["q", "q\x06\x16expires"])
        expect(await under.admin.pttl(key)).toBeGreaterThan(55_000);
      await under.admin.pexpire("q", 1_000);
      const [delivery] = await look(writer);
      await writer.release(delivery!);
      expect(await under.admin.pttl("q")).toBeGreaterThan(55_000);
      await under.admin.pexpire("q", 1);
      while ((await under.admin.exists("q")) === 1) await new Promise(setImmediate);
      expect(await look(writer)).toEqual([]);
    });
  });
});
