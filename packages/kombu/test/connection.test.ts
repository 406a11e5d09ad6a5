import { createHook } from "node:async_hooks";
import { inspect } from "node:util";
import { Connection, isClosed, isKombuError, Queue, SerializerRegistry } from "@pullqueue/kombu";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, expect, test } from "vitest";

describe("Connection", () => {
  test("Connection() opens nothing: neither a file nor a server is looked for", async () => {
    using folder = temporaryFolder();
    const path = folder.file("missing/queue.db");
    await using connection = new Connection({ transport: "sqlite", transportOptions: { path } });
    connection.producer();
    connection.simpleQueue("q");
    await expect(connection.channel()).rejects.toSatisfy((error) => isKombuError(error, "invalid_argument"));
  });

  test("Connection() tries again after it could not be opened", async () => {
    let attempts = 0;
    await using memory = new Connection("memory://reopened");
    await using connection = new Connection({
      transport: async () => {
        attempts += 1;
        throw new Error(`attempt ${attempts}`);
      },
    });
    await memory.channel();
    await expect(connection.channel()).rejects.toThrow("attempt 1");
    await expect(connection.simpleQueue("q").put(1)).rejects.toThrow("attempt 2");
  });

  test("Connection() refuses what it does not understand", () => {
    expect(() => new Connection("rabbit://localhost")).toThrow(/no transport/);
    expect(() => new Connection({ transport: "memory", clocks: 1 } as never)).toThrow(/clocks/);
    expect(() => new Connection("memory://", { clocks: 1 } as never)).toThrow(/clocks/);
    expect(() => new Connection({ transport: async () => assertNever(), extra: 1 } as never)).toThrow(
      /extra/,
    );
  });

  test("two connections with different transports work in one process", async () => {
    using folder = temporaryFolder();
    await using memory = new Connection("memory://two");
    await using sqlite = new Connection(`sqlite://${folder.file("queue.db")}`);
    await memory.simpleQueue("q").put("in memory");
    await sqlite.simpleQueue("q").put("on disk");
    expect((await memory.simpleQueue("q").getNowait()).payload).toBe("in memory");
    expect((await sqlite.simpleQueue("q").getNowait()).payload).toBe("on disk");
  });

  test("a message on disk is there for the next connection", async () => {
    using folder = temporaryFolder();
    const url = `sqlite://${folder.file("queue.db")}`;
    const first = new Connection(url);
    await first.simpleQueue("q").put({ kept: true });
    await first.close();
    await using second = new Connection(url);
    expect((await second.simpleQueue("q").getNowait()).payload).toEqual({ kept: true });
  });

  test("asUri(), inspect and JSON mask the token", () => {
    const connection = new Connection({
      transport: "appengine",
      transportOptions: { projectName: "my_project", accessToken: "very-secret" },
    });
    const shown = [
      ...[connection.asUri(), String(connection), JSON.stringify(connection), inspect(connection)],
      ...[
        inspect({ connection }, { depth: 10, showHidden: true }),
        inspect(connection.simpleQueue("q"), { depth: 10 }),
      ],
    ];
    for (const text of shown) expect(text).not.toContain("very-secret");
    expect(connection.asUri()).toBe("appengine://:**@127.0.0.1:8085/my_project");
    expect(connection.asUri({ includePassword: true })).toContain("very-secret");
  });

  test("clone() goes to the same place by a connection of its own", async () => {
    const transportOptions = { name: "cloned", leaseMs: 60_000 };
    await using connection = new Connection({ transport: "memory", transportOptions });
    transportOptions.name = "elsewhere"; // What was given is nobody's business any more.
    await connection.simpleQueue("q").put("hi");
    const clone = connection.clone();
    expect([clone.asUri(), clone.connected, connection.connected]).toEqual([
      ...[connection.asUri(), false, true],
    ]);
    expect((await clone.simpleQueue("q").getNowait()).payload).toBe("hi");
    await clone.close();
    expect([clone.connected, connection.connected]).toEqual([false, true]);
    await connection.simpleQueue("q").put("still open");
  });

  test("clone() shares serializers and compressions, or takes others", async () => {
    const serializers = new SerializerRegistry();
    const connection = new Connection("memory://", { serializers });
    expect(connection.clone().serializers).toBe(serializers);
    expect(connection.clone().compressions).toBe(connection.compressions);
    expect(connection.clone({ serializers: new SerializerRegistry() }).serializers).not.toBe(serializers);
  });

  test("info() tells what a connection is made of, and no secret", () => {
    const connection = new Connection("amqp://me:very-secret@broker/shop?heartbeat=5");
    const info = connection.info();
    expect(info).toMatchObject({
      transport: "amqp",
      uri: "amqp://me:**@broker:5672/shop?heartbeat=5",
      transportOptions: { host: "broker", port: 5672, userId: "me", virtualHost: "shop", heartbeatMs: 5000 },
    });
    expect(JSON.stringify(info) + inspect(info, { showHidden: true })).not.toContain("very-secret");
  });

  test("serializers are the connection's own", async () => {
    const serializers = new SerializerRegistry();
    serializers.register({
      ...{ name: "upper", contentType: "application/x-upper", contentEncoding: "utf-8" },
      encode: (value) => Buffer.from(String(value).toUpperCase()),
      decode: (body) => Buffer.from(body).toString().toLowerCase(),
    });
    await using connection = new Connection("memory://serializers", { serializers });
    await using other = new Connection("memory://serializers");
    const queue = connection.simpleQueue("q", { serializer: "upper" });
    await queue.put("hi");
    const message = await queue.getNowait();
    expect([message.text(), message.payload]).toEqual(["HI", "hi"]);
    await message.requeue();
    expect((await other.simpleQueue("q").getNowait()).payload).toBe("HI");
  });

  test("close() inside a callback does not wait for itself", async () => {
    await using watcher = new Connection("memory://inside");
    await watcher.channel();
    const connection = new Connection("memory://inside");
    await connection.simpleQueue("q").put("hi");
    const consumer = connection.consumer(new Queue("q"), { callbacks: [() => connection.close()] });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 1_000 });
    expect((await watcher.simpleQueue("q").getNowait()).payload).toBe("hi");
  });

  test("close() inside a handler of run() does not wait for itself", async () => {
    const connection = new Connection("memory://inside-run");
    await connection.simpleQueue("q").put("hi");
    const running = connection.consumer(new Queue("q")).run(() => connection.close());
    await expect(running).rejects.toSatisfy(isClosed);
  });

  test("any number of calls wait for one signal without Node's warning", async () => {
    const { signal } = new AbortController();
    const warnings: unknown[] = [];
    const hear = (warning: unknown) => void warnings.push(warning);
    process.on("warning", hear);
    await using connection = new Connection("memory://one-signal");
    await Promise.all(
      Array.from({ length: 12 }, (_, number) =>
        connection.producer().publish(number, { routingKey: "q", signal }),
      ),
    );
    const waiting = Array.from({ length: 12 }, (_, number) =>
      expect(connection.simpleQueue(`empty ${number}`).get({ signal })).rejects.toSatisfy(isClosed),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    await connection.close();
    await Promise.all(waiting);
    process.off("warning", hear);
    expect(warnings).toEqual([]);
  });

  test("opening and closing 1000 connections leaves no timers and no listeners", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const timers = new Set<number>();
    const hook = createHook({
      init: (id, type) => void (type === "Timeout" && timers.add(id)),
      destroy: (id) => void timers.delete(id),
    }).enable();
    for (let round = 0; round < 1000; round++) {
      const connection = new Connection("memory://leaks");
      const queue = connection.simpleQueue("q");
      await queue.put(round, { signal, timeoutMs: 60_000 });
      const message = await queue.get({ timeoutMs: 60_000, signal });
      await message.ack();
      const consumer = connection.consumer(new Queue("other"), { callbacks: [() => {}] });
      await consumer.consume();
      const waiting = [
        queue.get({ timeoutMs: 60_000, signal }),
        connection.drainEvents({ timeoutMs: 60_000, signal }),
      ].map((call) => expect(call).rejects.toSatisfy(isClosed));
      await new Promise(setImmediate); // Until they wait.
      await Promise.all([...waiting, connection.close()]);
    }
    await new Promise(setImmediate);
    hook.disable();
    expect(listeners).toBe(0);
    expect(timers.size).toBe(0);
  }, 120_000); // Of a busy machine: a thousand of anything takes its time there.
});

function assertNever(): never {
  throw new Error("not called");
}
