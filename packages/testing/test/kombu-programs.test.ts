import { manualClock } from "@pullqueue/core";
import { Connection, Exchange, isClosed, type Message, Queue } from "@pullqueue/kombu";
import { loadConfig, type RunningServer, startServer } from "@pullqueue/server";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../src/temp.js";

async function serve(store: string, port = "0"): Promise<RunningServer> {
  return await startServer(await loadConfig({ flags: { port, store, logLevel: "silent" }, env: {} }));
}

describe("the programs of the documentation", () => {
  test("a simple queue puts, gets and acknowledges", async () => {
    await using server = await serve("memory:");
    const connection = new Connection({
      transport: "kombu_appengine:Transport",
      transportOptions: {
        ...{ project_name: "my_project", num_tasks: 15, polling_interval: 5, endpoint: server.url },
      },
    });
    const queue = connection.simpleQueue("pull-queue");
    await queue.put({ message: "hello" });
    const message = await queue.get({ timeoutMs: 5_000 });
    expect(message.payload).toEqual({ message: "hello" });
    await message.ack();
    expect(await queue.qsize()).toBe(0);
    await connection.close();
  });

  test("an exchange, a queue, a producer and a consumer", async () => {
    await using server = await serve("memory:");
    const host = server.url.replace("http://", "");
    await using connection = new Connection(`appengine://${host}/my_project?num_tasks=15&polling_interval=5`);
    const appEngine = new Exchange("appengine", "direct", { durable: true });
    const pullQueue = new Queue("pull-queue", { exchange: appEngine, routingKey: "pull-queue" });
    await pullQueue.bind(await connection.channel()).declare();
    const producer = connection.producer({ exchange: appEngine, routingKey: "pull-queue" });
    await producer.publish({ text: "Hello World!" });
    const bodies: unknown[] = [];
    const consumer = connection.consumer([pullQueue], {
      callbacks: [
        async (body, message) => {
          bodies.push(body);
          await message.ack();
        },
      ],
    });
    await consumer.consume();
    const { signal } = new AbortController();
    await connection.drainEvents({ timeoutMs: 1_000, signal });
    expect(bodies).toEqual([{ text: "Hello World!" }]);
  });
});

describe("a consumer of a server", () => {
  test("run() goes on after the server was restarted while it waited, and loses nothing", async () => {
    using folder = temporaryFolder();
    const store = `sqlite:${folder.file("queue.db")}`;
    const first = await serve(store);
    await using connection = new Connection({
      transport: "appengine",
      transportOptions: { projectName: "my_project", endpoint: first.url },
    });
    const bodies: unknown[] = [];
    const stop = new AbortController();
    const running = connection.consumer(new Queue("q")).run(
      (message: Message) => {
        bodies.push(message.payload);
        if (bodies.length === 2) stop.abort();
      },
      { signal: stop.signal, onError: () => {} },
    );
    await connection.producer({ routingKey: "q" }).publish("before");
    await expect.poll(() => bodies).toEqual(["before"]);
    await first.close();
    await using _second = await serve(store, String(first.port));
    await connection.producer({ routingKey: "q" }).publish("after");
    await running;
    expect(bodies).toEqual(["before", "after"]);
  });

  test("close() of the connection gives back what a slow handler holds", async () => {
    await using server = await serve("memory:");
    const options = { projectName: "my_project", endpoint: server.url } as const;
    const connection = new Connection({ transport: "appengine", transportOptions: options });
    await connection.simpleQueue("q").put("slow");
    let start = (_message: Message) => {};
    const started = new Promise<Message>((resolve) => {
      start = resolve;
    });
    const running = connection.consumer(new Queue("q")).run((message) => {
      start(message);
      return new Promise((resolve) => message.signal.addEventListener("abort", resolve));
    });
    running.catch(() => {});
    const held = await started;
    await connection.close();
    await expect(running).rejects.toSatisfy(isClosed);
    expect(isClosed(held.signal.reason)).toBe(true);
    await using other = new Connection({ transport: "appengine", transportOptions: options });
    expect((await other.simpleQueue("q").getNowait()).payload).toBe("slow");
  });

  test("a token never travels over plain HTTP to another machine", async () => {
    const clock = manualClock();
    const transportOptions = {
      ...{ projectName: "my_project", endpoint: "http://queue.example.com", accessToken: "very-secret" },
    };
    await using connection = new Connection({ transport: "appengine", transportOptions, clock });
    const refusal = await connection.channel().catch((error: Error) => error);
    expect(refusal).toMatchObject({ code: "invalid_argument" });
    expect(String(refusal)).not.toContain("very-secret");
  });
});
