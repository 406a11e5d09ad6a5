import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Connection, Queue, sendReply } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { type Child, startChild } from "@pullqueue/testing/child";
import { startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startRedisInstance } from "@pullqueue/testing/redis-instance";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("../python/remote_control.py", import.meta.url));

/** Starting a broker, or a Celery worker, on a busy machine, in milliseconds. */
const START_MS = 120_000;

const PATIENCE_MS = 60_000;

interface Broker extends AsyncDisposable {
  readonly url: string;
}

const BROKERS = {
  redis: { start: (): Promise<Broker> => startRedisInstance({ settings: { appendonly: "no" } }), path: "/0" },
  amqp: { start: (): Promise<Broker> => startRabbitmqInstance(), path: "" },
} as const;

const isLeftOut = {
  redis: isMissing("redis-server") || isMissing("python3-redis"),
  amqp: isMissing("rabbitmq-programs") || isMissing("python3-kombu"),
};

describe.each(["redis", "amqp"] as const)("remote control with Python's kombu on %s", (kind) => {
  describe.skipIf(isLeftOut[kind])("beside a broker", () => {
    let broker: Broker;
    let url = "";
    let connection: Connection;
    const children: Child[] = [];

    beforeAll(async () => {
      broker = await BROKERS[kind].start();
      url = broker.url + BROKERS[kind].path;
    }, START_MS);
    afterAll(() => broker?.[Symbol.asyncDispose](), START_MS);
    beforeEach(() => {
      connection = new Connection(url);
    });
    afterEach(async () => {
      await Promise.all(children.splice(0).map((child) => child.stop()));
      await connection.close();
    });

    function start(...parameters: readonly string[]): Child {
      return python([SCRIPT, url, ...parameters]);
    }

    /** A Python program, whose log is among its output. */
    function python(parameters: readonly string[], onLine: (line: string) => void = () => {}): Child {
      const merged = ["-c", 'exec /usr/bin/python3 "$@" 2>&1', "python", ...parameters];
      const child = startChild("/bin/sh", merged, { onLine });
      children.push(child);
      return child;
    }

    /** Python that stays, such as a node. */
    async function running(...parameters: readonly string[]): Promise<Child> {
      const child = start(...parameters);
      await child.line(/^ready$/, PATIENCE_MS);
      return child;
    }

    /** What a call of Python's comes back with. */
    async function answer(...parameters: readonly string[]): Promise<unknown> {
      const [text] = await start(...parameters).line(/^(?:null|\[.*\])$/, PATIENCE_MS);
      return JSON.parse(text!);
    }

    describe.each(["fanout", "direct"] as const)("%s", (type) => {
      it("our mailbox controls its nodes", { timeout: PATIENCE_MS }, async () => {
        const mailbox = connection.mailbox(`${type}-ns`, { type });
        const [one, two] = await Promise.all([running("node", "one", type), running("node", "two", type)]);
        const call = await mailbox.call(["one"], "ping", { a: 1 }, { timeoutMs: PATIENCE_MS });
        expect(call).toEqual([{ one: { ok: "pong", kw: { a: 1 } } }]);
        const all = await mailbox.multiCall("ping", {}, { limit: 2, timeoutMs: PATIENCE_MS });
        expect(Object.keys(Object.assign({}, ...all)).sort()).toEqual(["one", "two"]);
        const failed = await mailbox.call(["two"], "fail", {}, { timeoutMs: PATIENCE_MS });
        expect(failed).toEqual([{ two: { error: "ValueError('too much')" } }]);
        await mailbox.cast(["one"], "tell", { n: 1 });
        await one.line(/^told \{"n": 1\}$/, PATIENCE_MS);
        await mailbox.abcast("tell", { n: 2 }, { pattern: "t*" });
        await two.line(/^told \{"n": 2\}$/, PATIENCE_MS);
        await mailbox.abcast("tell", { n: 3 });
        await Promise.all([one, two].map((node) => node.line(/^told \{"n": 3\}$/, PATIENCE_MS)));
        const never = [one.line(/"n": 2/, 1), two.line(/"n": 1/, 1)];
        for (const { status } of await Promise.allSettled(never)) expect(status).toBe("rejected");
      });

      it("its mailbox controls our nodes", { timeout: PATIENCE_MS }, async () => {
        const told: unknown[] = [];
        const mailbox = connection.mailbox(`${type}-ns`, { type });
        const handlers = {
          ping: (name: string, args: object) => ({ name, ...args }),
          tell: (_name: string, args: object) => void told.push(args),
          fail: () => {
            throw new RangeError("too much");
          },
        };
        const onError = () => {};
        for (const state of ["one", "two"]) await mailbox.node(state, { state, handlers, onError }).listen();
        const control = (verb: string, call: object) => answer("control", type, verb, JSON.stringify(call));
        const asked = await control("call", {
          ...{ destination: ["one"], command: "ping", kwargs: { a: 1 }, timeout: 20 },
        });
        expect(asked).toEqual([{ one: { name: "one", a: 1 } }]);
        const all = await control("multi_call", { command: "ping", limit: 2, timeout: 20 });
        expect(Object.keys(Object.assign({}, ...(all as object[]))).sort()).toEqual(["one", "two"]);
        const failed = await control("call", { destination: ["two"], command: "fail", timeout: 20 });
        expect(failed).toEqual([{ two: { error: "RangeError: too much" } }]);
        const fit = await control("call", {
          ...{ command: "ping", limit: 1, timeout: 20, pattern: "tw", matcher: "pcre" },
        });
        expect(fit).toEqual([{ two: { name: "two" } }]);
        expect(await control("cast", { destination: ["two"], command: "tell", kwargs: { n: 1 } })).toBeNull();
        expect(await control("abcast", { command: "tell", kwargs: { n: 2 } })).toBeNull();
        // Requests are run in order, so that all that was told is there when this is answered.
        await mailbox.call(["one", "two"], "ping", {}, { timeoutMs: PATIENCE_MS });
        expect(told).toEqual([{ n: 1 }, { n: 2 }, { n: 2 }]);
      });
    });

    it("our calls are answered by its send_reply", { timeout: PATIENCE_MS }, async () => {
      const queue = new Queue("served");
      await queue.bind(await connection.channel()).declare();
      await running("serve", "served");
      const rpc = connection.rpc(queue);
      const replies = await Promise.all([1, 2, 3].map((question) => rpc.call({ question })));
      expect(replies).toEqual([{ answer: 2 }, { answer: 4 }, { answer: 6 }]);
    });

    it("its collect_replies gets our sendReply", { timeout: PATIENCE_MS }, async () => {
      const queue = new Queue("asked");
      const producer = connection.producer();
      const stop = new AbortController();
      const consumer = connection.consumer(queue);
      await consumer.declare();
      const serving = consumer.run(
        async (message) => void (await sendReply(message, { echo: message.payload }, { producer })),
        { signal: stop.signal },
      );
      expect(await answer("ask", "asked", '{"question": 1}')).toEqual([{ echo: { question: 1 } }]);
      stop.abort();
      await serving;
    });

    describe.skipIf(isMissing("python3-celery"))("and Celery", () => {
      let folder = "";
      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), "celery-"));
        const program = `from celery import Celery\napp = Celery("shop", broker=${JSON.stringify(url)})\n`;
        await writeFile(join(folder, "shop.py"), program);
      });
      afterAll(() => rm(folder, { recursive: true, force: true }));

      const celery = (...parameters: readonly string[]) =>
        python(["-m", "celery", "--workdir", folder, "-A", "shop", ...parameters]);

      it("our mailbox controls its worker", { timeout: START_MS }, async () => {
        const name = `w1@${hostname()}`;
        const worker = celery(
          "worker",
          "--pool",
          "solo",
          "--concurrency",
          "1",
          "--loglevel",
          "info",
          "-n",
          name,
        );
        await worker.line(/ ready\.\s*$/, PATIENCE_MS);
        const mailbox = connection.mailbox("celery", { type: "fanout" });
        const options = { timeoutMs: PATIENCE_MS };
        expect(await mailbox.call([name], "ping", {}, options)).toEqual([{ [name]: { ok: "pong" } }]);
        const [stats] = await mailbox.multiCall("stats", {}, { ...options, limit: 1 });
        expect(stats![name]).toMatchObject({ pool: { "max-concurrency": 1 } });
        await mailbox.cast([name], "shutdown");
        await worker.exited(PATIENCE_MS);
      });

      it("its inspect ping finds our node", { timeout: START_MS }, async () => {
        const mailbox = connection.mailbox("celery", { type: "fanout" });
        await mailbox.node("ours@here", { handlers: { ping: () => ({ ok: "pong" }) } }).listen();
        const inspect = celery("inspect", "ping", "--timeout", "20", "-d", "ours@here");
        await inspect.line(/ours@here: OK/, PATIENCE_MS);
        await inspect.line(/pong/, PATIENCE_MS);
        expect(await inspect.exited(PATIENCE_MS)).toMatchObject({ code: 0 });
      });
    });
  });
});
