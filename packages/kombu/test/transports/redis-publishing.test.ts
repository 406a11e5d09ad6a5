import { Exchange, type MessageContent, Queue, type Route } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it } from "vitest";
import { useRedis } from "./redis-support.js";

const route = (queue: string, more: Partial<Route> = {}): Route => ({
  ...{ exchange: "", routingKey: queue, mandatory: false, envelope: true },
  ...{ idempotencyKey: `k${keys++}`, ...more },
});
let keys = 0;

const content = (body: string, properties = {}): MessageContent => ({
  ...{ body: Buffer.from(body), contentType: "text/plain", contentEncoding: "utf-8" },
  ...{ headers: {}, properties, raw: false },
});

describe.skipIf(isMissing("redis-server"))("the redis transport", () => {
  const under = useRedis();

  describe("publishing", () => {
    it("publish() in several queues stores all copies in one step, each under a tag of its own", async () => {
      const connection = under.connect();
      const exchange = new Exchange("e");
      const channel = await connection.channel();
      for (const name of ["one", "two"])
        await new Queue(name, { exchange, routingKey: "k" }).bind(channel).declare();
      await under.admin.config("RESETSTAT");
      await connection.producer({ exchange, routingKey: "k" }).publish("hi");
      const [one, two] = [await under.admin.rpop("one"), await under.admin.rpop("two")];
      expect(one).not.toBe(two);
      expect(await under.admin.info("commandstats")).toMatch(/cmdstat_eval\w*:calls=1,/);
    });

    it("publish() with a key that was used adds nothing in the queues that have it, and to others it does", async () => {
      const transport = await under.open();
      for (const queue of ["one", "one", "two"]) {
        await transport.publish(content("once"), route(queue, { idempotencyKey: "mine", keyChosen: true }));
      }
      expect([await under.admin.llen("one"), await under.admin.llen("two")]).toEqual([1, 1]);
    });

    it("deadletterQueue gets what no queue takes", async () => {
      const transport = await under.open({ deadletterQueue: "dead" });
      const exchange = { name: "e", durable: true, autoDelete: false, arguments: {} };
      await transport.topology.declareExchange({ ...exchange, type: "direct" }, false);
      const receipt = await transport.publish(content("hi"), route("nowhere", { exchange: "e" }));
      expect(receipt.queues).toEqual(["dead"]);
      expect(await under.admin.llen("dead")).toBe(1);
    });

    it("any number of calls go on at the same time, without Node's warning about listeners", async () => {
      const warnings: unknown[] = [];
      const onWarning = (warning: unknown) => void warnings.push(warning);
      process.on("warning", onWarning);
      const connection = under.connect();
      const waiting = Array.from({ length: 20 }, (_, number) => connection.simpleQueue(`q${number}`).get());
      const outcomes = Promise.allSettled(waiting);
      const transport = await under.open();
      const calls = Array.from({ length: 20 }, () => transport.publish(content("hi"), route("all")));
      await Promise.all(calls);
      await connection.close();
      await outcomes;
      await new Promise(setImmediate);
      process.off("warning", onWarning);
      expect(warnings).toEqual([]);
    });

    it("tags, task ids and delays of fanouts are refused", async () => {
      const transport = await under.open();
      const exchange = { name: "f", durable: true, autoDelete: false, arguments: {} };
      await transport.topology.declareExchange({ ...exchange, type: "fanout" }, false);
      for (const more of [{ tag: "t" }, { taskId: "i" }, { exchange: "f", delayMs: 1 }]) {
        await expect(transport.publish(content("hi"), route("q", more))).rejects.toMatchObject({
          code: "not_supported",
        });
      }
    });

    it("a key that holds something else is precondition_failed, not a loop", async () => {
      const transport = await under.open();
      await under.admin.set("q", "text");
      await expect(transport.publish(content("hi"), route("q"))).rejects.toMatchObject({
        code: "precondition_failed",
      });
      await expect(transport.receive({ queues: ["q"], max: 1, waitMs: 0 })).rejects.toMatchObject({
        code: "precondition_failed",
      });
    });

    it("what is published in one turn shares a command, and a bad one fails alone, and again, until it is mended", async () => {
      const transport = await under.open();
      await transport.publish(content("first"), route("q"));
      await under.admin.set("bad", "text");
      await under.admin.config("RESETSTAT");
      await Promise.all(Array.from({ length: 50 }, () => transport.publish(content("hi"), route("q"))));
      expect(await under.admin.info("commandstats")).toMatch(/cmdstat_evalsha:calls=1,/);
      const bad = route("bad");
      const [one, two, three] = await Promise.allSettled([
        transport.publish(content("hi"), route("q")),
        transport.publish(content("hi"), bad),
        transport.publish(content("hi"), route("q")),
      ]);
      const refusal = { code: "precondition_failed" };
      expect([one!.status, two, three!.status]).toMatchObject([
        "fulfilled",
        { reason: refusal },
        "fulfilled",
      ]);
      await expect(transport.publish(content("hi"), bad)).rejects.toMatchObject(refusal);
      await under.admin.del("bad");
      await transport.publish(content("hi"), bad);
      expect([await under.admin.llen("q"), await under.admin.llen("bad")]).toEqual([53, 1]);
    });
  });

  describe("fanout", () => {
    it("reaches each connection, each queue of one, and only patterns choose", async () => {
      const exchange = new Exchange("f", "fanout");
      const [one, two] = [under.connect(), under.connect()];
      const bound: [typeof one, string, string][] = [
        ...([
          [one, "a", ""],
          [one, "b", "literal"],
        ] as [typeof one, string, string][]),
        ...([
          [two, "c", "task.#"],
          [two, "d", "#"],
        ] as [typeof one, string, string][]),
      ];
      for (const [connection, name, routingKey] of bound) {
        await new Queue(name, { exchange, routingKey }).bind(await connection.channel()).declare();
      }
      const producer = under.connect().producer({ exchange });
      await producer.publish(1, { routingKey: "task.started" });
      await producer.publish(2, { routingKey: "worker.online" });
      await producer.publish(3);
      const got: Record<string, unknown[]> = {};
      for (const [connection, name] of bound) {
        got[name] = [];
        for (;;) {
          const message = await new Queue(name).bind(await connection.channel()).get();
          if (message === null) break;
          got[name].push(message.payload);
          await message.ack();
        }
      }
      expect(got).toEqual({ a: [1, 2, 3], b: [1, 2, 3], c: [1], d: [1, 2, 3] });
      expect(await under.admin.exists("unacked")).toBe(0);
    });

    it("mandatory is unroutable while nobody listens, and unbinding stops listening", async () => {
      const exchange = new Exchange("f", "fanout");
      const connection = under.connect();
      const producer = connection.producer({ exchange });
      await expect(producer.publish(1, { mandatory: true })).rejects.toMatchObject({ code: "unroutable" });
      const queue = new Queue("a", { exchange }).bind(await connection.channel());
      await queue.declare();
      expect((await producer.publish(2, { mandatory: true })).queues).toEqual(["a"]);
      await queue.unbindFrom(exchange);
      await expect(producer.publish(3, { mandatory: true })).rejects.toMatchObject({ code: "unroutable" });
    });
  });
});
