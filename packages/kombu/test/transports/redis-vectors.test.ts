import { readFileSync } from "node:fs";
import { manualClock, randomFraction } from "@pullqueue/core";
import { type Delivery, decodeEnvelope, type ExchangeType, type Transport } from "@pullqueue/kombu";
import { openRedisTransport, redisSettings } from "@pullqueue/kombu/transports/redis";
import { isMissing } from "@pullqueue/testing";
import { type RedisInstance, startRedisInstance } from "@pullqueue/testing/redis-instance";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { REDIS_OPTION_SPECS } from "../../src/redis-option-specs.js";
import { readOptions } from "../../src/transport-options.js";

interface Key {
  readonly key: string;
  readonly type: string;
  readonly pttl: number;
  readonly members?: readonly (string | { readonly member: string; readonly score: number })[];
  readonly items_left_to_right?: readonly string[];
  readonly fields?: readonly { readonly field: string; readonly value: string }[];
  readonly value?: string;
}

interface Declared {
  readonly queue: string;
  readonly exchange: { readonly exchange: string; readonly type: ExchangeType };
  readonly routing_key: string;
  readonly expires?: number;
}

interface Vector {
  readonly case: string;
  readonly db?: number;
  readonly transport_options?: Readonly<Record<string, unknown>>;
  readonly publish: { readonly declare?: readonly Declared[] };
  readonly stored: {
    readonly keys?: readonly Key[];
    readonly published?: readonly { readonly channel: string; readonly payload: string }[];
    readonly keys_during_sweep_holding_lock?: readonly Key[];
    readonly keys_after?: readonly Key[];
  };
}

const FIXTURE = new URL("../fixtures/redis.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(FIXTURE, "utf8")) as { readonly cases: readonly Vector[] };
const named = (name: string) => cases.find((one) => one.case === name)!;

/** Time of the cases' leases, in seconds; the clock of these tests stands there. */
const NOW = 1_795_472_420;

/** Before every `timestamp` of a message, so that none has expired. */
const BEFORE = 1_600_000_000;

const isList = ({ type }: Key) => type === "list";
const itemsOf = (keys: readonly Key[]) => keys.filter(isList).flatMap((key) => [...key.items_left_to_right!]);

/** Random tags are told apart by nothing but being different. */
const masked = (text: string) => text.replace(/("delivery_tag": )"[^"]+"/g, '$1"TAG"');

/** Where publishing with these options has an effect here too. What is left out is only read. */
const isWritten = ({ publish, transport_options = {}, stored }: Vector) =>
  publish.declare !== undefined && stored.keys !== undefined && !("body_encoding" in transport_options);

describe.skipIf(isMissing("redis-server"))("what kombu stores in Redis", () => {
  let redis: RedisInstance;
  let admin: Redis;
  const opened: Transport[] = [];

  beforeAll(async () => {
    redis = await startRedisInstance({ settings: { appendonly: "no" } });
    admin = new Redis(redis.port);
  });
  afterAll(async () => {
    admin.disconnect();
    await redis[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await admin.flushall();
    return async () => void (await Promise.all(opened.splice(0).map((transport) => transport.close())));
  });

  async function open(
    options: Readonly<Record<string, unknown>> = {},
    { database = 0, now = NOW } = {},
  ): Promise<Transport> {
    const clock = manualClock(now * 1_000_000);
    await admin.select(database);
    const { values, complaints } = readOptions(options, REDIS_OPTION_SPECS);
    expect(complaints).toEqual([]);
    const place = { host: "127.0.0.1", port: redis.port, database };
    const settings = redisSettings({ ...values, ...place });
    const transport = await openRedisTransport(settings, { clock, random: randomFraction });
    opened.push(transport);
    return transport;
  }

  async function restore(keys: readonly Key[]): Promise<void> {
    for (const { key, type, members = [], items_left_to_right = [], fields = [] } of keys) {
      if (type === "list") await admin.rpush(key, ...items_left_to_right);
      if (type === "set") await admin.sadd(key, ...(members as string[]));
      if (type === "hash") for (const { field, value } of fields) await admin.hset(key, field, value);
      if (type !== "zset") continue;
      for (const one of members) if (typeof one === "object") await admin.zadd(key, one.score, one.member);
    }
  }

  /** Everything but what kombu has not. */
  async function dump(): Promise<readonly Key[]> {
    const names = (await admin.keys("*")).filter((key) => !/pullqueue\.published|expires$/.test(key));
    const found = names.sort().map(async (key): Promise<Key> => {
      const type = await admin.type(key);
      const pttl = (await admin.pttl(key)) === -1 ? -1 : 60_000;
      if (type === "list") return { key, type, pttl, items_left_to_right: await admin.lrange(key, 0, -1) };
      if (type === "set") return { key, type, pttl, members: (await admin.smembers(key)).sort() };
      if (type === "zset") return { key, type, pttl, members: await admin.zrange(key, "0", "-1") };
      const fields = Object.entries(await admin.hgetall(key)).map(([field, value]) => ({ field, value }));
      return { key, type, pttl, fields };
    });
    return Promise.all(found);
  }

  const comparable = (keys: readonly Key[]) =>
    keys
      .map(({ key, type, pttl, members = [], items_left_to_right = [], fields = [] }) => ({
        ...{ key, type, hasTtl: pttl !== -1, items: items_left_to_right.map(masked) },
        members: members.map((one) => (typeof one === "string" ? one : "MEMBER")).sort(),
        values: fields.map(({ value }) => masked(value)).sort(),
      }))
      .sort((one, other) => (one.key < other.key ? -1 : 1));

  /** Exchanges, queues and bindings, all of them or those of one type. */
  async function declare(transport: Transport, declared: readonly Declared[]): Promise<void> {
    for (const { queue, exchange, routing_key, expires } of declared) {
      const lifetime = { durable: true, autoDelete: false };
      const { exchange: name, type } = exchange;
      await transport.topology.declareExchange({ name, type, ...lifetime, arguments: {} }, false);
      const given = expires === undefined ? {} : { "x-expires": expires * 1000 };
      await transport.topology.declareQueue(
        { name: queue, ...lifetime, exclusive: false, arguments: given },
        false,
      );
      await transport.topology.bind({ exchange: name, queue, routingKey: routing_key });
    }
  }

  async function publishAgain(transport: Transport, stored: string, index: number): Promise<void> {
    const { content, exchange, routingKey } = decodeEnvelope(Buffer.from(stored))!;
    const idempotencyKey = `key-${index}`;
    await transport.publish(content, {
      exchange,
      routingKey,
      mandatory: false,
      envelope: true,
      idempotencyKey,
    });
  }

  it.each(cases.filter(isWritten).map((one) => [one.case, one] as const))(
    "publish() stores byte for byte what kombu stored: %s",
    async (_name, { publish, stored, db = 0, transport_options }) => {
      const transport = await open(transport_options, { database: db });
      const heard: { channel: string; payload: string }[] = [];
      const ear = new Redis(redis.port);
      await ear.psubscribe("*");
      ear.on("pmessage", (_pattern, channel, payload) => heard.push({ channel, payload }));
      await declare(transport, publish.declare!);
      const published = (stored.published ?? []).map(({ payload }) => payload);
      const items = [...itemsOf(stored.keys!).toReversed(), ...published];
      // Copies of one message lie in several queues, under one tag.
      const once = items.filter((item, index) => items.indexOf(item) === index);
      for (const [index, item] of once.entries()) await publishAgain(transport, item, index);
      await ear.ping();
      ear.disconnect();
      // Kombu's own way with a queue that no producer of this version declared with its time to live: none at all.
      const hasNone = _name.endsWith("expires@5.2.4");
      const keys = hasNone
        ? stored.keys!.map((key) => (isList(key) ? { ...key, pttl: 1 } : key))
        : stored.keys!;
      expect(comparable(await dump())).toEqual(comparable(keys));
      const own = heard.filter(({ channel }) => !channel.startsWith("__"));
      expect(own.map(({ channel, payload }) => [channel, masked(payload)])).toEqual(
        (stored.published ?? []).map(({ channel, payload }) => [channel, masked(payload)]),
      );
    },
  );

  it.each(cases.filter(({ stored }) => stored.keys?.some(isList)).map((one) => [one.case, one] as const))(
    "receive() reads what kombu stored, next first: %s",
    async (_name, { stored, db = 0, transport_options = {} }) => {
      const { sep = "\x06\x16", global_keyprefix = "" } = transport_options as Record<string, string>;
      const { body_encoding: _written, ...options } = transport_options;
      const transport = await open(options, { database: db, now: BEFORE });
      await restore(stored.keys!);
      const lists = stored.keys!.filter(isList);
      const queues = [...new Set(lists.map(({ key }) => key.slice(global_keyprefix.length).split(sep)[0]!))];
      const received: Delivery[] = [];
      for (const queue of queues) {
        const batch = await transport.receive({ queues: [queue], max: 100, waitMs: 0 });
        for (const delivery of batch) await transport.ack(delivery);
        received.push(...batch);
      }
      const inOrder = lists
        .toSorted((one, other) => (one.key < other.key ? -1 : 1))
        .flatMap((key) => [...key.items_left_to_right!].toReversed());
      const byTag = (texts: readonly string[]) => texts.map((text) => decodeEnvelope(Buffer.from(text))!);
      const expected = byTag(inOrder).map(({ content, deliveryTag, exchange, routingKey, redelivered }) => ({
        ...{ content, deliveryTag, exchange, routingKey, redelivered },
      }));
      const got = received.map(({ content, info }) => ({
        content,
        deliveryTag: info.taskId,
        ...{ exchange: info.exchange, routingKey: info.routingKey, redelivered: info.redelivered },
      }));
      expect(got).toHaveLength(expected.length);
      expect(got).toEqual(expect.arrayContaining(expected));
      if (queues.length === 1) expect(got).toEqual(expected);
      expect((await dump()).filter(({ key }) => /unacked/.test(key)).map(({ key }) => key)).toEqual(
        stored.keys!.filter(({ key }) => /unacked/.test(key)).map(({ key }) => key),
      );
    },
  );

  it("a message that is held is recorded as kombu records it, but under a name of its delivery and for its queue alone", async () => {
    const transport = await open();
    const { keys = [] } = named("redis/unacked").stored;
    const unacked = keys.find(({ key }) => key === "unacked")!.fields!;
    const [item] = JSON.parse(unacked[0]!.value) as [object];
    const text = unacked[0]!.value.slice(1, unacked[0]!.value.indexOf('}}, "ex_direct"') + 2);
    expect(JSON.parse(text)).toEqual(item);
    await admin.lpush("q_direct", text);
    const [delivery] = await transport.receive({ queues: ["q_direct"], max: 1, waitMs: 0 });
    expect(await admin.hgetall("unacked")).toEqual({ [delivery!.deliveryTag]: `[${text}, "", "q_direct"]` });
    expect(await admin.zrange("unacked_index", "0", "-1", "WITHSCORES")).toEqual([
      delivery!.deliveryTag,
      String(NOW),
    ]);
  });

  it("release() leaves what kombu's requeue leaves", async () => {
    const transport = await open();
    const { keys = [] } = named("redis/reject-requeue").stored;
    const [requeued, waiting] = keys.find(isList)!.items_left_to_right!;
    const fresh = requeued!.replace(', "redelivered": true', "").replace('"redelivered": true', "");
    await admin.lpush("q_direct", fresh, waiting!);
    const [delivery] = await transport.receive({ queues: ["q_direct"], max: 1, waitMs: 0 });
    await transport.release(delivery!);
    expect(await admin.lrange("q_direct", 0, -1)).toEqual([requeued, waiting]);
  });

  it("release() in its place leaves what kombu's closing leaves", async () => {
    const transport = await open();
    const items = named("redis/restore-on-close").stored.keys!.find(isList)!.items_left_to_right!;
    const fresh = items.map((item) =>
      item.replace(', "redelivered": true', "").replace('"redelivered": true', ""),
    );
    await admin.rpush("q_direct", ...fresh);
    const deliveries = await transport.receive({ queues: ["q_direct"], max: 2, waitMs: 0 });
    await Promise.all(deliveries.map((delivery) => transport.release(delivery, { inPlace: true })));
    expect(await admin.lrange("q_direct", 0, -1)).toEqual(items);
  });

  it("a sweep leaves what kombu's sweep leaves of what kombu held", async () => {
    const { keys_during_sweep_holding_lock: before = [], keys_after: after = [] } = named(
      "redis/visibility-timeout-restore",
    ).stored;
    const transport = await open({ visibility_timeout: 1 });
    await restore(before.filter(({ type }) => type !== "string"));
    await transport.receive({ queues: ["other"], max: 1, waitMs: 0 });
    expect(await dump()).toEqual(after);
  });
});
