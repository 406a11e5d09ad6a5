import { QueueError } from "@pullqueue/core";
import { Connection, KombuError, type PidboxNodeOptions } from "@pullqueue/kombu";
import { describe, expect, it, vi } from "vitest";
import { readRequest } from "../src/pidbox/read-request.js";
import { settled, storeWith } from "./support.js";

/** A node that listens, its mailbox, and what it was told of. */
async function nodeWith(
  handlers: NonNullable<PidboxNodeOptions["handlers"]>,
  options: PidboxNodeOptions = {},
) {
  const connection = new Connection("memory://");
  const mailbox = connection.mailbox("m", { type: "fanout" });
  const errors: unknown[] = [];
  const node = mailbox.node("node", { handlers, onError: (error) => errors.push(error), ...options });
  await node.listen();
  return { connection, mailbox, node, errors };
}

describe("readRequest()", () => {
  it("takes what kombu sends, and fills in what is absent", () => {
    const nobody = { arguments: {}, destination: null, pattern: null, matcher: null };
    expect(readRequest({ method: "ping", more: 1 })).toEqual({ method: "ping", ...nobody });
    const full = { method: "m", arguments: { a: 1 }, destination: ["n"], pattern: "p", matcher: "glob" };
    const asked = { ...full, ticket: "t", reply_to: { exchange: "e", routing_key: "k" } };
    expect(readRequest(asked)).toEqual(asked);
  });

  it.each([
    ["text"],
    [{ method: 1 }],
    [{ method: "m", arguments: [] }],
    [{ method: "m", destination: "node" }],
    [{ method: "m", destination: [1] }],
    [{ method: "m", pattern: 1 }],
    [{ method: "m", matcher: {} }],
    [{ method: "m", ticket: 7 }],
    [{ method: "m", reply_to: { exchange: "e" } }],
  ])("refuses %j", (body) => {
    expect(() => readRequest(body)).toThrow(expect.objectContaining({ code: "decode_failed" }));
  });
});

describe("PidboxNode", () => {
  it("a reply that cannot be serialized is an error for the caller, who waits for nothing", async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    const { connection, mailbox, errors } = await nodeWith({ odd: () => circle });
    await using _connection = connection;
    const replies = await mailbox.call(["node"], "odd", {}, { timeoutMs: 5_000 });
    expect(replies).toEqual([{ node: { error: expect.stringContaining("KombuError") } }]);
    expect(errors).toMatchObject([{ code: "not_serializable" }]);
  });

  it("a request is run though the sender's clock is off, and not when it is off by more than clockSkewMs", async () => {
    let calls = 0;
    const { connection, mailbox, errors } = await nodeWith({ count: () => ++calls }, { clockSkewMs: 5_000 });
    await using _connection = connection;
    const send = (lateMs: number) =>
      connection
        .producer({ exchange: mailbox.exchange })
        .publish({ method: "count" }, { headers: { expires: (Date.now() - lateMs) / 1000 } });
    await send(60_000);
    await send(1_000);
    await expect.poll(() => calls).toBe(1);
    expect(errors).toMatchObject([{ code: "timeout" }]);
  });

  it("an empty destination is everybody, as in kombu", async () => {
    let calls = 0;
    const { connection, mailbox } = await nodeWith({ count: () => ++calls });
    await using _connection = connection;
    await connection.producer({ exchange: mailbox.exchange }).publish({ method: "count", destination: [] });
    await expect.poll(() => calls).toBe(1);
  });

  it("what onReply throws ends the call", async () => {
    const { connection, mailbox } = await nodeWith({ ping: () => "pong" });
    await using _connection = connection;
    const mistake = new Error("a mistake");
    const onReply = () => {
      throw mistake;
    };
    await expect(mailbox.call(["node"], "ping", {}, { onReply, timeoutMs: 10_000 })).rejects.toBe(mistake);
  });
});

describe("Mailbox", () => {
  it("a queue for replies that could not be declared is declared by the next call", async () => {
    await using connection = new Connection("memory://");
    const { defaultChannel: channel } = connection;
    const mailbox = connection.mailbox("m");
    const declareOnce = vi.spyOn(channel, "declareOnce");
    declareOnce.mockRejectedValueOnce(new KombuError("permission_denied", "not yet"));
    await expect(mailbox.multiCall("ping")).rejects.toMatchObject({ code: "permission_denied" });
    expect(await mailbox.multiCall("ping", {}, { timeoutMs: 1_000 })).toEqual([]);
  });

  it("cast() to a node that is not there makes no queue that would keep the request for ever", async () => {
    const { store, connect } = storeWith();
    await using connection = connect();
    const mailbox = connection.mailbox("m");
    await mailbox.cast(["nobody"], "ping");
    expect((await store.listQueues("p")).queues).toEqual([]);
  });

  it("cast() fails where it cannot be known whether the node is there", async () => {
    const { connect } = storeWith(() => ({
      getQueue: () => Promise.reject(new QueueError("permission_denied", "writers only")),
    }));
    await using connection = connect();
    const cast = connection.mailbox("m").cast(["node"], "ping");
    await expect(cast).rejects.toMatchObject({ code: "permission_denied" });
  });

  it("close() removes its queue though that is only being declared", async () => {
    let goOn = () => {};
    const holding = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { store, connect } = storeWith((real) => ({
      putQueue: async (...parameters) => {
        await holding;
        return real.putQueue(...parameters);
      },
    }));
    await using connection = connect();
    const mailbox = connection.mailbox("m");
    const call = mailbox.multiCall("ping");
    call.catch(() => {});
    await settled();
    const closed = mailbox.close();
    await settled();
    goOn();
    await closed;
    await settled();
    expect((await store.listQueues("p")).queues).toEqual([]);
    await expect(call).rejects.toMatchObject({ code: "closed" });
  });

  it("a request that could not be sent in time is a timeout, and no call without replies", async () => {
    await using connection = new Connection("memory://");
    const mailbox = connection.mailbox("m");
    const declareOnce = vi.spyOn(connection.defaultChannel, "declareOnce");
    declareOnce.mockReturnValueOnce(new Promise(() => {}));
    const call = mailbox.multiCall("ping", {}, { timeoutMs: 50 });
    await expect(call).rejects.toMatchObject({ code: "timeout" });
  });
});
