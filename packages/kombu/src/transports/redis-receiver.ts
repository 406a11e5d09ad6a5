import { createHash } from "node:crypto";
import { type Clock, limits, newIdempotencyKey } from "@pullqueue/core";
import { KombuError } from "../errors.js";
import {
  REDIS_ATTEMPTS_REMEMBERED,
  REDIS_RECEIVE_BYTES,
  REDIS_RECHECK_MS,
  REDIS_SWEEP_ITEMS,
} from "../limits.js";
import { writeString } from "../python-json.js";
import type { RedisSettings } from "../redis-options.js";
import { traceOf } from "../trace-headers.js";
import type { DeadLetterTarget, Delivery, DeliveryInfo, Lease, ReceiveRequest } from "../transport.js";
import type { FanoutItem, RedisFanout } from "./redis-fanout.js";
import { deliveriesBefore, type RedisItem, readItem } from "./redis-item.js";
import type { RedisLayout } from "./redis-layout.js";
import type { RedisLink, RedisSockets } from "./redis-link.js";
import { type RedisRestorer, scoreOf } from "./redis-restorer.js";
import { runScript, TAKE } from "./redis-scripts.js";
import { publishedAtMs } from "./redis-tags.js";
import type { RedisTime } from "./redis-time.js";
import type { RedisTopology } from "./redis-topology.js";
import type { RedisWaker } from "./redis-waker.js";
import { expiryUs } from "./virtual-expiry.js";

/** A delivery in our hands. */
export interface HeldItem {
  readonly queue: string;
  readonly item: RedisItem;
  /** How it is named among what is held; undefined for a fanout message, which Redis does not know. */
  readonly field: string | undefined;
  readonly fanout: FanoutItem | undefined;
  /** Grows with each delivery: which of two was first. */
  readonly sequence: number;
  readonly attempts: number;
}

/** What a receiver is made of. */
export interface RedisReceiverParts {
  readonly link: RedisLink;
  readonly layout: RedisLayout;
  readonly topology: RedisTopology;
  readonly fanout: RedisFanout;
  readonly restorer: RedisRestorer;
  readonly waker: RedisWaker;
  readonly settings: RedisSettings;
  readonly clock: Clock;
  readonly time: RedisTime;
  /** Moves an expired message to where dead letters go, and forgets it here. Never rejects. */
  readonly bury: (delivery: Delivery, target: DeadLetterTarget) => Promise<void>;
}

/** One look at queues. */
interface Look {
  readonly deliveries: readonly Delivery[];
  /** When something comes by itself, in microseconds: a lease ends, or a delayed message is due. */
  readonly nextUs: number;
}

/** What was found, expired messages included. */
interface Taken extends Look {
  /** Leases have ended. */
  readonly isExpired: boolean;
}

/** What taking answers that comes when nobody waits for it any more: a server that hung works through what it finds in its sockets. */
const TOO_LATE = -1;

const US_PER_MS = 1000;
const US_PER_SECOND = 1_000_000;

/** Takes messages, and waits for them. */
export class RedisReceiver {
  readonly #parts: RedisReceiverParts;
  readonly #held = new WeakMap<Lease, HeldItem>();
  /** Attempts of messages that were given back here, by their tags: Redis does not count. */
  readonly #attempts = new Map<string, number>();
  /** Fields of calls whose answers never came. */
  readonly #unanswered = new Set<readonly string[]>();
  #turn = 0;
  #round = 0;
  #sequence = 0;

  constructor(parts: RedisReceiverParts) {
    this.#parts = parts;
  }

  /** What is known of a delivery of ours. */
  held(delivery: Lease): HeldItem {
    const held = this.#held.get(delivery);
    if (held !== undefined) return held;
    throw new KombuError(
      "invalid_argument",
      "this delivery came from another transport; settle it where it came from",
    );
  }

  /** Looks once, and then whenever there is news, until there is a message or time is up. */
  async receive({ queues, max, waitMs, signal }: ReceiveRequest, sockets: RedisSockets): Promise<Delivery[]> {
    const { clock, settings } = this.#parts;
    const untilUs = clock.nowUs() + waitMs * US_PER_MS;
    const batch = settings.numTasks;
    const most = Math.min(max ?? batch ?? 1, batch ?? limits.LEASE_TASKS_MAX, limits.LEASE_TASKS_MAX);
    const first = await this.#look(queues, most, sockets);
    if (first.deliveries.length > 0 || waitMs === 0) return [...first.deliveries];
    for (;;) {
      const keys = queues.flatMap((queue) => this.#parts.layout.group(queue));
      const news = this.#parts.waker.watch(keys, sockets);
      try {
        const { deliveries, nextUs } = await this.#look(queues, most, sockets);
        const nowUs = clock.nowUs();
        if (deliveries.length > 0 || nowUs >= untilUs) return [...deliveries];
        await news.wait(this.#pauseMs(queues, Math.min(untilUs, nextUs) - nowUs, sockets), signal);
      } finally {
        news.end();
      }
      if (clock.nowUs() >= untilUs) return [...(await this.#look(queues, most, sockets)).deliveries];
    }
  }

  /** On new sockets: what was taken for a call that never learnt of it goes back to where it was. */
  async putBackUnanswered(sockets: RedisSockets): Promise<void> {
    for (const fields of [...this.#unanswered].toReversed()) {
      await this.#parts.restorer.untake(sockets, fields);
      this.#unanswered.delete(fields);
    }
  }

  /** Remembers how often a message was tried that is given back: where it does not say so itself, this is all there is. */
  remember({ queue, item, attempts }: HeldItem, uncounted: boolean): void {
    const key = attemptsKey(queue, item);
    this.#attempts.delete(key);
    this.#attempts.set(key, uncounted ? attempts - 1 : attempts);
    if (this.#attempts.size <= REDIS_ATTEMPTS_REMEMBERED) return;
    const [oldest] = this.#attempts.keys();
    this.#attempts.delete(oldest!);
  }

  /** A message is done with. */
  forget({ queue, item }: HeldItem): void {
    if (this.#attempts.size > 0) this.#attempts.delete(attemptsKey(queue, item));
  }

  /** Looks at the longest before something is due; now and then, because nothing tells when a socket has gone silent. */
  #pauseMs(queues: readonly string[], untilUs: number, { tracks }: RedisSockets): number {
    const { settings, topology } = this.#parts;
    const expiries = queues.map((queue) => topology.expiresMs(queue)).filter((ms) => ms !== undefined);
    // A queue with a consumer does not expire: each look begins its time anew.
    const recheckMs = Math.min(
      tracks ? REDIS_RECHECK_MS : settings.pollingIntervalMs,
      ...expiries.map((ms) => ms / 2),
    );
    return Math.max(1, Math.min(untilUs / US_PER_MS, recheckMs));
  }

  /** Takes what there is, without expired messages. */
  async #look(queues: readonly string[], max: number, sockets: RedisSockets): Promise<Look> {
    for (let swept = false; ; ) {
      const { isExpired, nextUs, deliveries } = await this.#takeOrHear(queues, max, sockets);
      if (isExpired) await this.#parts.restorer.sweep(sockets);
      const live = await this.#live(deliveries, sockets);
      // Behind expired messages and ended leases there may be others.
      const looksAgain = live.length === 0 && (deliveries.length > 0 || (isExpired && !swept));
      if (!looksAgain) return { deliveries: live, nextUs };
      swept ||= isExpired;
    }
  }

  /** What is stored and what was heard are each first in turn, so that neither starves the other. */
  async #takeOrHear(queues: readonly string[], max: number, sockets: RedisSockets): Promise<Taken> {
    this.#turn += 1;
    const isHeardFirst = this.#turn % 2 === 0;
    const heard = isHeardFirst ? await this.#hear(queues, max, sockets) : [];
    if (heard.length > 0) return { isExpired: false, nextUs: 0, deliveries: heard };
    const taken = await this.#take(queues, max, sockets);
    if (isHeardFirst || taken.deliveries.length > 0) return taken;
    return { ...taken, deliveries: await this.#hear(queues, max, sockets) };
  }

  /** What was published before this is heard before an answer comes on the same socket. */
  async #hear(
    queues: readonly string[],
    max: number,
    { listener }: RedisSockets,
  ): Promise<readonly Delivery[]> {
    const { fanout } = this.#parts;
    if (!queues.some((queue) => fanout.has(queue))) return [];
    await listener.ping();
    return fanout.take(queues, max).map(([queue, item]) => {
      item.deliveries += 1;
      const { exchange, routingKey, deliveries: attempts } = item;
      const redelivered = attempts > 1;
      const info = { exchange, routingKey, attempts, redelivered };
      return this.#delivery({ queue, item, field: undefined, fanout: item, attempts }, info, undefined);
    });
  }

  async #take(
    queues: readonly string[],
    max: number,
    sockets: RedisSockets,
    isLimited = true,
  ): Promise<Taken> {
    const { layout, restorer, clock, time, settings } = this.#parts;
    const latestUs = isLimited ? time.inUs(settings.socketTimeoutMs) : undefined;
    const first = this.#round++ % queues.length;
    const inTurn = [...queues.slice(first), ...queues.slice(0, first)];
    const token = `${newIdempotencyKey()}.`;
    const leaseEndsAtUs = clock.nowUs() + settings.leaseMs * US_PER_MS;
    const keys = [layout.unacked, layout.unackedIndex, ...inTurn.flatMap((queue) => layout.group(queue))];
    const args = [
      ...[max, REDIS_RECEIVE_BYTES, token, restorer.leaseScore, scoreOf(time.nowUs()), restorer.expiredScore],
      ...[REDIS_SWEEP_ITEMS, layout.width, ...layout.steps, ...inTurn.map(writeString)],
      latestUs === undefined ? "" : scoreOf(latestUs),
    ];
    const fields = Array.from({ length: max }, (_, index) => `${token}${String(index + 1).padStart(4, "0")}`);
    this.#unanswered.add(fields);
    const answer = (await runScript(sockets.main, TAKE, keys, args)) as readonly (number | Buffer)[];
    this.#unanswered.delete(fields);
    const [isExpired, leaseScore, dueScore, ...rest] = answer;
    if (isExpired === TOO_LATE) {
      await time.ask(sockets.main); // We are here to hear it, so that the server's clock was set.
      return this.#take(queues, max, sockets, false);
    }
    const deliveries: Delivery[] = [];
    for (let at = 0; at < rest.length; at += 2) {
      const queue = inTurn[rest[at] as number]!;
      deliveries.push(this.#stored(queue, rest[at + 1] as Buffer, fields[at / 2]!, leaseEndsAtUs));
    }
    const ends = usOf(leaseScore) + settings.visibilityTimeoutMs * US_PER_MS;
    return { isExpired: isExpired === 1, nextUs: time.toLocalUs(Math.min(ends, usOf(dueScore))), deliveries };
  }

  #stored(queue: string, bytes: Buffer, field: string, leaseEndsAtUs: number): Delivery {
    const item = readItem(bytes);
    const { stored } = item;
    const redelivered = stored?.redelivered ?? false;
    const remembered = this.#attempts.size === 0 ? undefined : this.#attempts.get(attemptsKey(queue, item));
    const before = Math.max(redelivered ? 1 : 0, deliveriesBefore(item.content), remembered ?? 0);
    const info = {
      exchange: stored?.exchange ?? "",
      routingKey: stored?.routingKey ?? queue,
      redelivered,
      attempts: before + 1,
    };
    return this.#delivery(
      { queue, item, field, fanout: undefined, attempts: before + 1 },
      info,
      leaseEndsAtUs,
    );
  }

  #delivery(
    held: Omit<HeldItem, "sequence">,
    info: Pick<DeliveryInfo, "exchange" | "routingKey" | "redelivered" | "attempts">,
    leaseEndsAtUs: number | undefined,
  ): Delivery {
    const { queue, item } = held;
    const { stored, content } = item;
    const enqueuedAtMs = stored === undefined ? undefined : publishedAtMs(stored);
    const lifeUs = expiryUs(content.properties, this.#parts.topology.messageTtlMs(queue));
    const canExpire = lifeUs !== undefined && enqueuedAtMs !== undefined;
    const delivery: Delivery = {
      content,
      deliveryTag: held.field ?? newIdempotencyKey(),
      info: {
        queue,
        ...info,
        taskId: stored?.deliveryTag,
        tag: undefined,
        retryCount: undefined,
        enqueuedAtMs,
        ...traceOf(content.headers),
      },
      leaseEndsAtUs,
      expiresAtUs: canExpire ? this.#parts.time.toLocalUs(enqueuedAtMs * US_PER_MS + lifeUs) : undefined,
    };
    this.#sequence += 1;
    this.#held.set(delivery, { ...held, sequence: this.#sequence });
    return delivery;
  }

  /** Those that have not expired; the others are buried or removed. */
  async #live(deliveries: readonly Delivery[], { main }: RedisSockets): Promise<readonly Delivery[]> {
    const { clock, layout, topology, bury } = this.#parts;
    const nowUs = clock.nowUs();
    const isExpired = ({ expiresAtUs }: Delivery) => (expiresAtUs ?? Number.POSITIVE_INFINITY) <= nowUs;
    const expired = deliveries.filter(isExpired);
    const targets = expired.map(({ info }) => topology.deadLetters(info.queue));
    const fields = expired
      .filter((_delivery, index) => targets[index] === undefined)
      .flatMap((delivery) => this.held(delivery).field ?? []);
    if (fields.length > 0) {
      await main.call("HDEL", layout.unacked, ...fields);
      await main.call("ZREM", layout.unackedIndex, ...fields);
    }
    await Promise.all(
      expired.map(async (delivery, index) => targets[index] && bury(delivery, targets[index])),
    );
    return deliveries.filter((delivery) => !isExpired(delivery));
  }
}

/** What tells a message of a queue from others. Those that are nothing but their bytes fail alike where these are the same. */
function attemptsKey(queue: string, { stored, bytes }: RedisItem): string {
  const name = stored?.deliveryTag ?? createHash("sha256").update(bytes).digest("base64");
  return `${queue}/${name}`;
}

/** A score as a time; none is never. */
function usOf(score: number | Buffer | undefined): number {
  const text = String(score ?? "");
  return text === "" ? Number.POSITIVE_INFINITY : Number(text) * US_PER_SECOND;
}
