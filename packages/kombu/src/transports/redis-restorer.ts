import type { RedisSettings } from "../redis-options.js";
import { deliveriesBefore, markRedelivered, priorityOf, type RedisItem, readRecord } from "./redis-item.js";
import { bindingTakes, type RedisLayout } from "./redis-layout.js";
import type { RedisSockets } from "./redis-link.js";
import { RESTORE, runScript } from "./redis-scripts.js";
import type { RedisTime } from "./redis-time.js";

const US_PER_SECOND = 1_000_000;
const MS_PER_SECOND = 1000;

/** A time as kombu writes scores: seconds since the epoch. */
export function scoreOf(us: number): string {
  return (us / US_PER_SECOND).toFixed(6);
}

/** Puts messages back whose holders are gone: whoever held them, this library or Python's. */
export class RedisRestorer {
  readonly #layout: RedisLayout;
  readonly #settings: RedisSettings;
  readonly #time: RedisTime;

  constructor(layout: RedisLayout, settings: RedisSettings, time: RedisTime) {
    this.#layout = layout;
    this.#settings = settings;
    this.#time = time;
  }

  /** Scores up to this one are of leases that have ended. */
  get expiredScore(): string {
    return scoreOf(this.#time.nowUs() - this.#settings.visibilityTimeoutMs * MS_PER_SECOND);
  }

  /** The score of a lease that begins now: kombu adds the visibility timeout to it to learn when the lease ends. */
  get leaseScore(): string {
    const { leaseMs, visibilityTimeoutMs } = this.#settings;
    return scoreOf(this.#time.nowUs() + (leaseMs - visibilityTimeoutMs) * MS_PER_SECOND);
  }

  /**
   * Restores some of the messages whose leases have ended, at the end where they are taken, newest first, so that the oldest
   * is the next. Each in a step of its own that fails when its lease was renewed meanwhile, so that no lock is needed and
   * nobody else's acknowledgement is in the way.
   */
  async sweep({ main }: RedisSockets): Promise<void> {
    const found = (await main.call(
      ...(["ZREVRANGEBYSCORE", this.#layout.unackedIndex, this.expiredScore, "-inf"] as const),
      ...(["WITHSCORES", "LIMIT", 0, this.#settings.unackedRestoreLimit] as const),
    )) as readonly string[];
    for (let at = 0; at < found.length; at += 2) await this.#restore(main, found[at]!, found[at + 1]!);
  }

  /** Puts back what a call took whose answer never came, as if it had not been taken. */
  async untake({ main }: RedisSockets, fields: readonly string[]): Promise<void> {
    const records = (await main.callBuffer(
      "HMGET",
      this.#layout.unacked,
      ...fields,
    )) as readonly (Buffer | null)[];
    for (const [index, bytes] of [...records.entries()].toReversed()) {
      const record = bytes === null ? undefined : readRecord(bytes);
      if (record === undefined) continue;
      const { item, routingKey } = record;
      await this.#push(main, {
        field: fields[index]!,
        score: "",
        queues: [routingKey],
        item,
        bytes: item.bytes,
      });
    }
  }

  async #restore(main: RedisSockets["main"], field: string, score: string): Promise<void> {
    const bytes = (await main.callBuffer("HGET", this.#layout.unacked, field)) as Buffer | null;
    if (bytes === null) {
      await main.call("ZREM", this.#layout.unackedIndex, field);
      return;
    }
    const record = readRecord(bytes);
    const queues = record === undefined ? [] : await this.#queuesOf(main, record);
    if (record === undefined || queues.length === 0) {
      // Nobody knows where it belongs. It is not thrown away, and looked at again after another lease.
      await main.call("ZADD", this.#layout.unackedIndex, "XX", scoreOf(this.#time.nowUs()), field);
      return;
    }
    const { item } = record;
    await this.#push(main, { field, score, queues, item, bytes: markRedelivered(item, this.countOf(item)) });
  }

  /** What the header says after one delivery more; undefined when it is not kept. */
  countOf({ content }: RedisItem): number | undefined {
    if (!this.#settings.deliveryCount) return undefined;
    return deliveriesBefore(content) + 1;
  }

  /** Python keeps where a message was published to, not the queue it was in, so that each bound queue gets it, as with kombu. */
  async #queuesOf(
    main: RedisSockets["main"],
    { exchange, routingKey }: { readonly exchange: string; readonly routingKey: string },
  ): Promise<readonly string[]> {
    if (exchange === "") return [routingKey];
    const members = (await main.call("SMEMBERS", this.#layout.bindings(exchange))) as readonly string[];
    const bindings = members
      .map((member) => this.#layout.readMember(member))
      .filter((one) => one !== undefined);
    const queues = bindings.filter((binding) => bindingTakes(binding, routingKey)).map(({ queue }) => queue);
    const { deadletterQueue } = this.#settings;
    return queues.length === 0 && deadletterQueue !== undefined ? [deadletterQueue] : [...new Set(queues)];
  }

  async #push(
    main: RedisSockets["main"],
    one: {
      readonly field: string;
      readonly score: string;
      readonly queues: readonly string[];
      readonly item: RedisItem;
      readonly bytes: Uint8Array;
    },
  ): Promise<void> {
    const { unacked, unackedIndex, width } = this.#layout;
    const place = this.#layout.place(priorityOf(one.item.content));
    const keys = [unacked, unackedIndex, ...one.queues.flatMap((queue) => this.#layout.group(queue))];
    const args = [one.field, one.score, width, "RPUSH", ...one.queues.flatMap(() => [place, one.bytes])];
    await runScript(main, RESTORE, keys, args);
  }
}
