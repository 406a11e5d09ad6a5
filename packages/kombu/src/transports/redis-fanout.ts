import type { BindingDefinition } from "../definitions.js";
import { REDIS_FANOUT_BUFFERED } from "../limits.js";
import { topicMatches } from "../routing.js";
import { type RedisItem, readItem } from "./redis-item.js";
import type { RedisLayout } from "./redis-layout.js";
import type { RedisSockets } from "./redis-link.js";

/** A message that was published to a channel. It is ours alone: Redis has forgotten it already. */
export interface FanoutItem extends RedisItem {
  readonly exchange: string;
  readonly routingKey: string;
  /** How often somebody had it before. */
  deliveries: number;
}

interface BoundQueue {
  /** Exchange and key of each binding. */
  readonly bindings: Map<string, Set<string>>;
  items: FanoutItem[];
}

/**
 * Fanout exchanges of kombu are Redis's channels: a message reaches whoever listens then, and is stored nowhere. This side
 * listens from the moment a queue is bound, and keeps what comes until the queue is received from.
 */
export class RedisFanout {
  readonly #layout: RedisLayout;
  readonly #onNews: (queue: string) => void;
  readonly #queues = new Map<string, BoundQueue>();

  constructor(layout: RedisLayout, onNews: (queue: string) => void) {
    this.#layout = layout;
    this.#onNews = onNews;
  }

  /** Whether messages of channels belong to this queue. */
  has(queue: string): boolean {
    return this.#queues.has(queue);
  }

  /** Listens for a queue from now on. */
  async bind({ exchange, queue, routingKey }: BindingDefinition, sockets: RedisSockets): Promise<void> {
    const isKnown = this.#exchanges().has(exchange);
    const bound = this.#queues.get(queue) ?? { bindings: new Map<string, Set<string>>(), items: [] };
    this.#queues.set(queue, bound);
    const keys = bound.bindings.get(exchange) ?? new Set<string>();
    bound.bindings.set(exchange, keys.add(routingKey));
    if (!isKnown) await this.#subscribe(exchange, sockets);
  }

  /** Listens no more for a queue; without a key for none of its bindings to the exchange, without an exchange for none at all. */
  async unbind(
    queue: string,
    exchange: string | undefined,
    routingKey: string | undefined,
    sockets: RedisSockets,
  ): Promise<void> {
    const bound = this.#queues.get(queue);
    if (bound === undefined) return;
    const before = this.#exchanges();
    for (const [name, keys] of bound.bindings) {
      if (exchange !== undefined && name !== exchange) continue;
      if (routingKey !== undefined) keys.delete(routingKey);
      if (routingKey === undefined || keys.size === 0) bound.bindings.delete(name);
    }
    if (bound.bindings.size === 0) this.#queues.delete(queue);
    const after = this.#exchanges();
    for (const name of before) if (!after.has(name)) await this.#unsubscribe(name, sockets);
  }

  /** The exchange is gone. */
  async deleteExchange(exchange: string, sockets: RedisSockets): Promise<void> {
    for (const queue of [...this.#queues.keys()]) await this.unbind(queue, exchange, undefined, sockets);
  }

  /** Listens again, on new sockets. */
  async resubscribe(sockets: RedisSockets): Promise<void> {
    for (const exchange of this.#exchanges()) await this.#subscribe(exchange, sockets);
  }

  /** Something was heard. Each bound queue gets its own. */
  heard(channel: string, payload: Uint8Array): void {
    const item = readItem(payload);
    for (const exchange of this.#exchanges()) {
      const routingKey = this.#keyOf(channel, exchange, item);
      if (routingKey === undefined) continue;
      for (const [queue, { bindings, items }] of this.#queues) {
        const keys = bindings.get(exchange);
        if (keys === undefined || ![...keys].some((key) => takes(key, routingKey))) continue;
        items.push({ ...item, exchange, routingKey, deliveries: 0 });
        if (items.length > REDIS_FANOUT_BUFFERED) items.shift();
        this.#onNews(queue);
      }
    }
  }

  /** Takes what was heard for the queues, in turn. */
  take(queues: readonly string[], max: number): readonly (readonly [queue: string, item: FanoutItem])[] {
    const taken: (readonly [string, FanoutItem])[] = [];
    for (let before = -1; before !== taken.length && taken.length < max; ) {
      before = taken.length;
      for (const queue of queues) {
        const item = taken.length < max ? this.#queues.get(queue)?.items.shift() : undefined;
        if (item !== undefined) taken.push([queue, item]);
      }
    }
    return taken;
  }

  /** Gives back an item; in its place it is the next again. */
  giveBack(queue: string, item: FanoutItem, inPlace: boolean): void {
    const items = this.#queues.get(queue)?.items;
    if (inPlace) items?.unshift(item);
    else items?.push(item);
    this.#onNews(queue);
  }

  count(queue: string): number {
    return this.#queues.get(queue)?.items.length ?? 0;
  }

  /** Forgets what was heard for a queue, and says how many that were. */
  purge(queue: string): number {
    const bound = this.#queues.get(queue);
    return bound === undefined ? 0 : bound.items.splice(0).length;
  }

  #exchanges(): ReadonlySet<string> {
    return new Set([...this.#queues.values()].flatMap(({ bindings }) => [...bindings.keys()]));
  }

  /** Messages with a key have channels of their own, which a queue without one hears too: in a fanout the key means nothing. */
  async #subscribe(exchange: string, { listener }: RedisSockets): Promise<void> {
    await Promise.all([
      listener.subscribe(this.#layout.channel(exchange, "")),
      listener.psubscribe(this.#layout.keyedChannels(exchange)),
    ]);
  }

  async #unsubscribe(exchange: string, { listener }: RedisSockets): Promise<void> {
    await Promise.all([
      listener.unsubscribe(this.#layout.channel(exchange, "")),
      listener.punsubscribe(this.#layout.keyedChannels(exchange)),
    ]);
  }

  /** The key of a message of this exchange; undefined for another's. Slashes in names are told apart by what the message says. */
  #keyOf(channel: string, exchange: string, { stored }: RedisItem): string | undefined {
    const bare = this.#layout.channel(exchange, "");
    if (channel !== bare && !channel.startsWith(`${bare}/`)) return undefined;
    if (stored !== undefined && stored.exchange !== "" && stored.exchange !== exchange) return undefined;
    return channel === bare ? (stored?.routingKey ?? "") : channel.slice(bare.length + 1);
  }
}

/** Only a binding with wildcards chooses: that is what kombu's `fanout_patterns` are for. */
function takes(bindingKey: string, routingKey: string): boolean {
  return !/(?:^|\.)[*#](?:\.|$)/.test(bindingKey) || topicMatches(bindingKey, routingKey);
}
