import { deadLetterTargetOf } from "../dead-letter.js";
import type {
  BindingDefinition,
  DeleteQueueOptions,
  ExchangeDefinition,
  ExchangeType,
  QueueDefinition,
  QueueState,
} from "../definitions.js";
import { KombuError } from "../errors.js";
import { REDIS_PATIENCE_MS } from "../limits.js";
import { topicMatches } from "../routing.js";
import type { DeadLetterTarget, Topology } from "../transport.js";
import { checkQueue } from "./declaration-rules.js";
import { checkUnused, DeclaredExchanges } from "./declared-exchanges.js";
import type { RedisFanout } from "./redis-fanout.js";
import type { RedisLayout, StoredBinding } from "./redis-layout.js";
import type { RedisLink, RedisSockets } from "./redis-link.js";
import { PURGE, runScript } from "./redis-scripts.js";

/** What a topology is made of. */
export interface RedisTopologyParts {
  readonly link: RedisLink;
  readonly layout: RedisLayout;
  readonly fanout: RedisFanout;
  /** The time as a score: delayed messages that are due are there to be received. */
  readonly nowScore: () => string;
}

/**
 * Bindings are kombu's sets in Redis, read with every publish, because any program may change them. Types of exchanges are known
 * to the connection that declared them, as with kombu: Redis has no place for them.
 */
export class RedisTopology implements Topology {
  readonly #parts: RedisTopologyParts;
  readonly #exchanges = new DeclaredExchanges();
  readonly #queues = new Map<string, QueueDefinition>();
  /** Members of sets that were added here, by the sets' names. */
  readonly #members = new Map<string, Set<string>>();

  constructor(parts: RedisTopologyParts) {
    this.#parts = parts;
  }

  /** `not_found` for an exchange that was not declared here. */
  typeOf(exchange: string): ExchangeType {
    return this.#exchanges.get(exchange).type;
  }

  /** The queues that get a message, in the order of their names. */
  async lookup(exchange: string, routingKey: string, { main }: RedisSockets): Promise<readonly string[]> {
    const type = this.typeOf(exchange);
    const bindings = await this.#bindings(exchange, main);
    const takes = (binding: StoredBinding) =>
      type === "fanout" ||
      (type === "topic" ? topicMatches(binding.routingKey, routingKey) : binding.routingKey === routingKey);
    return [...new Set(bindings.filter(takes).map(({ queue }) => queue))].sort();
  }

  /** `x-message-ttl` of a queue that was declared here, in milliseconds. */
  messageTtlMs(queue: string): number | undefined {
    return this.#number(queue, "x-message-ttl");
  }

  /** Where the definition of a queue that was declared here sends its dead letters. */
  deadLetters(queue: string): DeadLetterTarget | undefined {
    return deadLetterTargetOf(this.#queues.get(queue)?.arguments);
  }

  /** `x-expires` of a queue that was declared here, in milliseconds. */
  expiresMs(queue: string): number | undefined {
    return this.#number(queue, "x-expires");
  }

  /** On new sockets: a server that comes back without its data, or another in its place, must know our bindings. */
  async redeclare({ main }: RedisSockets): Promise<void> {
    for (const [key, members] of this.#members) {
      if (members.size > 0) await main.call("SADD", key, ...members);
    }
  }

  async declareExchange(exchange: ExchangeDefinition, passive: boolean): Promise<void> {
    this.#exchanges.declare(exchange, passive);
  }

  async declareQueue(queue: QueueDefinition, passive: boolean, signal?: AbortSignal): Promise<QueueState> {
    const { name } = queue;
    if (passive) return this.#state(name, signal);
    checkQueue(queue, this.#queues.get(name));
    const messageCount = await this.count(name, signal);
    this.#queues.set(name, queue);
    const expiresMs = this.expiresMs(name);
    if (expiresMs !== undefined) await this.#expire(name, expiresMs, signal);
    return { name, messageCount };
  }

  async bind(binding: BindingDefinition): Promise<void> {
    const { exchange, queue, routingKey } = binding;
    if (exchange === "") return;
    const { type } = this.#exchanges.get(exchange);
    const { layout, fanout } = this.#parts;
    const member = layout.member(routingKey, queue, type === "topic");
    await this.#call(async (sockets) => {
      if (type === "fanout") await fanout.bind(binding, sockets);
      await sockets.main.call("SADD", layout.bindings(exchange), member);
    });
    const key = layout.bindings(exchange);
    this.#members.set(key, (this.#members.get(key) ?? new Set()).add(member));
  }

  async unbind({ exchange, queue, routingKey }: BindingDefinition): Promise<void> {
    if (exchange === "") return;
    const { layout, fanout } = this.#parts;
    // With and without the pattern: what an undeclared exchange is nobody knows, and taking away what is not there is quiet.
    const members = [true, false].map((isTopic) => layout.member(routingKey, queue, isTopic));
    for (const member of members) this.#members.get(layout.bindings(exchange))?.delete(member);
    await this.#call(async (sockets) => {
      await fanout.unbind(queue, exchange, routingKey, sockets);
      await sockets.main.call("SREM", layout.bindings(exchange), ...members);
    });
  }

  async deleteExchange(name: string, options: { readonly ifUnused?: boolean } = {}): Promise<void> {
    const { layout, fanout } = this.#parts;
    await this.#call(async (sockets) => {
      if (options.ifUnused === true) checkUnused(name, await this.#bindings(name, sockets.main));
      this.#members.delete(layout.bindings(name));
      await fanout.deleteExchange(name, sockets);
      await sockets.main.call("DEL", layout.bindings(name));
    });
    this.#exchanges.delete(name);
  }

  async deleteQueue(name: string, { ifEmpty = false, signal }: DeleteQueueOptions = {}): Promise<number> {
    const { layout, fanout } = this.#parts;
    return this.#call(async (sockets) => {
      if (ifEmpty && (await this.#count(name, sockets)) > 0) return 0;
      const removed = await this.#purge(name, sockets);
      this.#queues.delete(name);
      await fanout.unbind(name, undefined, undefined, sockets);
      for (const exchange of this.#exchanges.names()) {
        const key = layout.bindings(exchange);
        const members = (await sockets.main.call("SMEMBERS", key)) as readonly string[];
        const own = members.filter((member) => layout.readMember(member)?.queue === name);
        for (const member of own) this.#members.get(key)?.delete(member);
        if (own.length > 0) await sockets.main.call("SREM", key, ...own);
      }
      await sockets.main.call("DEL", ...layout.group(name));
      return removed;
    }, signal);
  }

  purge(queue: string, signal?: AbortSignal): Promise<number> {
    return this.#call((sockets) => this.#purge(queue, sockets), signal);
  }

  count(queue: string, signal?: AbortSignal): Promise<number> {
    return this.#call((sockets) => this.#count(queue, sockets), signal);
  }

  async #purge(queue: string, { main }: RedisSockets): Promise<number> {
    const { layout, fanout } = this.#parts;
    const removed = await runScript(main, PURGE, layout.group(queue), [layout.width]);
    return Number(removed) + fanout.purge(queue);
  }

  async #count(queue: string, { main }: RedisSockets): Promise<number> {
    const { layout, fanout, nowScore } = this.#parts;
    const [delayed] = layout.group(queue);
    const counts = await Promise.all([
      ...layout.lists(queue).map((list) => main.call("LLEN", list)),
      main.call("ZCOUNT", delayed!, "-inf", nowScore()),
    ]);
    return counts.reduce<number>((sum, count) => sum + Number(count), fanout.count(queue));
  }

  /** A queue without messages leaves no trace in Redis, so that an empty one is only known where it was declared. */
  async #state(name: string, signal: AbortSignal | undefined): Promise<QueueState> {
    const { layout } = this.#parts;
    const messageCount = await this.count(name, signal);
    const isThere =
      messageCount > 0 ||
      this.#queues.has(name) ||
      (await this.#call(({ main }) => main.call("EXISTS", ...layout.group(name)), signal)) !== 0;
    if (isThere) return { name, messageCount };
    throw new KombuError(
      "not_found",
      `there is no queue ${JSON.stringify(name)} with messages in Redis, which does not keep empty ones; declare it in this connection`,
    );
  }

  /** Kept beside the lists, so that publishers apply it that did not declare the queue. */
  async #expire(name: string, expiresMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { layout } = this.#parts;
    const group = layout.group(name);
    await this.#call(async ({ main }) => {
      await main.call("SET", group[1]!, expiresMs, "PX", expiresMs);
      await Promise.all(group.map((key) => main.call("PEXPIRE", key, expiresMs)));
    }, signal);
  }

  async #bindings(exchange: string, main: RedisSockets["main"]): Promise<readonly StoredBinding[]> {
    const { layout } = this.#parts;
    const members = (await main.call("SMEMBERS", layout.bindings(exchange))) as readonly string[];
    return members.map((member) => layout.readMember(member)).filter((binding) => binding !== undefined);
  }

  #number(queue: string, argument: string): number | undefined {
    const value = this.#queues.get(queue)?.arguments[argument];
    return typeof value === "number" ? value : undefined;
  }

  #call<T>(work: (sockets: RedisSockets) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#parts.link.call(work, { patienceMs: REDIS_PATIENCE_MS, signal });
  }
}
