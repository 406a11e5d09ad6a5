import { readFileSync } from "node:fs";
import { isMissing } from "@pullqueue/testing";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { useRedis } from "./redis-support.js";

/** What Python's kombu stored. */
interface Vector {
  readonly case: string;
  readonly stored: {
    readonly keys?: readonly { readonly type: string; readonly items_left_to_right?: readonly string[] }[];
    readonly published: readonly { readonly channel: string; readonly payload: string }[];
  };
}

const FIXTURE = new URL("../fixtures/redis.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(FIXTURE, "utf8")) as { readonly cases: readonly Vector[] };
const vector = (name: string) => cases.find((one) => one.case === `redis/pidbox/${name}`)!.stored;

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|TICKET-1/g;

/** What differs from message to message is told apart by nothing; the body is made readable. */
function masked(envelope: string): string {
  return envelope
    .replace(/"expires": [\d.]+/, '"expires": TIME')
    .replace(/(?<="body": ")[^"]+/, (body) => Buffer.from(body, "base64").toString())
    .replace(UUID, "UUID");
}

describe.skipIf(isMissing("redis-server"))("remote control on Redis", () => {
  const under = useRedis();

  it("a cast and a call are byte for byte kombu's", async () => {
    const listener = new Redis(under.instance.port);
    onTestFinished(() => listener.disconnect());
    const heard: string[] = [];
    listener.on("message", (_channel, payload: string) => heard.push(payload));
    const [{ channel, payload }] = vector("cast").published as [{ channel: string; payload: string }];
    await listener.subscribe(channel);
    const [connection, other] = [under.connect(), under.connect()];
    await other
      .mailbox("ns", { type: "fanout" })
      .node("node1", { handlers: { ping: () => "pong" } })
      .listen();
    await connection.mailbox("ns", { type: "fanout" }).cast(["node1"], "ping", { a: 1 });
    const mailbox = connection.mailbox("ns", { type: "fanout" });
    expect(await mailbox.call(["node1"], "ping", { a: 1 }, { timeoutMs: 60_000 })).toEqual([
      { node1: "pong" },
    ]);
    await listener.ping(); // What was published before has arrived.
    expect(heard.map(masked)).toEqual([payload, vector("call").published[0]!.payload].map(masked));
  });

  it("a reply is byte for byte kombu's", async () => {
    const { keys, published } = vector("call-with-reply");
    const request = published[0]!.payload.replace(/"expires": [\d.]+/, '"expires": 0');
    const body = JSON.parse(Buffer.from((JSON.parse(request) as { body: string }).body, "base64").toString());
    const { exchange, routing_key: oid } = body.reply_to as { exchange: string; routing_key: string };
    await under.admin.sadd(`_kombu.binding.${exchange}`, `${oid}\x06\x16\x06\x16${oid}.${exchange}`);
    const mailbox = under.connect().mailbox("ns", { type: "fanout" });
    await mailbox.node("node1", { handlers: { ping: () => ({ ok: "pong" }) } }).listen();
    await under.admin.publish(published[0]!.channel, request);
    const taker = new Redis(under.instance.port);
    onTestFinished(() => taker.disconnect());
    const [, reply] = (await taker.brpop(`${oid}.${exchange}`, 20))!;
    const [theirs] = keys!.find(({ type }) => type === "list")!.items_left_to_right!;
    expect(masked(reply)).toBe(masked(theirs!));
  });
});
