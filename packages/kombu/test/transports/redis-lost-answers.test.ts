import { connect, createServer, type Socket } from "node:net";
import { systemClock } from "@pullqueue/core";
import { Queue } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { useRedis } from "./redis-support.js";

/** A wire to Redis that can be cut when a command has been carried out and before its answer arrives. */
interface Wire extends AsyncDisposable {
  readonly port: number;
  /** Cuts all connections when the server answers to something that contains this text. */
  cutAnswerTo(text: string): void;
  /** How often that happened. */
  readonly cuts: number;
}

async function startWire(serverPort: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let wanted: string | undefined;
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(serverPort, "127.0.0.1");
    let isDoomed = false;
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on("data", (data) => {
      if (wanted !== undefined && data.includes(wanted)) {
        wanted = undefined;
        isDoomed = true;
      }
      far.write(data);
    });
    far.on("data", (data) => {
      if (!isDoomed) return void near.write(data);
      cuts += 1;
      for (const socket of sockets) socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the wire has no port");
  return {
    port: address.port,
    cutAnswerTo: (text) => {
      wanted = text;
    },
    get cuts() {
      return cuts;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.skipIf(isMissing("redis-server"))("the redis transport, when an answer is lost", () => {
  const under = useRedis();
  const real = { clock: systemClock() };
  let wire: Wire;
  beforeEach(async () => {
    // A script that the server does not know is refused first, and nothing happens.
    const connection = under.connect({}, real);
    const queue = new Queue("warm").bind(await connection.channel());
    await connection.producer({ routingKey: "warm" }).publish("up");
    await (await queue.get())!.requeue();
    await (await queue.get())!.ack();
    wire = await startWire(under.instance.port);
    return () => wire[Symbol.asyncDispose]();
  });
  afterEach(() => expect(wire.cuts).toBe(1));

  it("publish() stores the message once, and resolves", async () => {
    const producer = under.connect({ port: wire.port }, real).producer({ routingKey: "q" });
    await producer.publish("before");
    wire.cutAnswerTo("pullqueue.published");
    expect((await producer.publish("once")).queues).toEqual(["q"]);
    expect(await under.admin.llen("q")).toBe(2);
  });

  it("ack() of what was acknowledged resolves, because nobody else can have it", async () => {
    const connection = under.connect({ port: wire.port }, real);
    await connection.producer({ routingKey: "q" }).publish("hi");
    const message = await new Queue("q").bind(await connection.channel()).get();
    wire.cutAnswerTo("unacked_index");
    await message!.ack();
    expect(await under.admin.exists("q", "unacked", "unacked_index")).toBe(0);
  });

  it("requeue() gives the message back once, and resolves", async () => {
    const connection = under.connect({ port: wire.port }, real);
    await connection.producer({ routingKey: "q" }).publish("hi");
    const message = await new Queue("q").bind(await connection.channel()).get();
    wire.cutAnswerTo("\r\nLPUSH\r\n");
    await message!.requeue();
    expect(await under.admin.llen("q")).toBe(1);
    expect(await under.admin.exists("unacked")).toBe(0);
  });

  it("messages that were taken without our knowing go back to their places, unseen", async () => {
    const connection = under.connect({ port: wire.port }, real);
    for (const number of [1, 2, 3]) await connection.producer({ routingKey: "q" }).publish(number);
    const before = await under.admin.lrange("q", "0", "-1");
    const queue = new Queue("q").bind(await connection.channel());
    const consumer = connection.consumer(new Queue("q"), { prefetchCount: 2 });
    wire.cutAnswerTo("unacked_index");
    const seen: unknown[] = [];
    for await (const message of consumer.messages()) {
      seen.push([message.payload, message.deliveryInfo.redelivered]);
      await message.ack();
      if (seen.length === 2) break;
    }
    expect(seen).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(await under.admin.lrange("q", "0", "-1")).toEqual([before[0]]);
    expect((await queue.get())?.payload).toBe(3);
  });
});
