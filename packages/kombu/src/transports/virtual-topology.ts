import {
  DEFAULT_QUEUE_SETTINGS,
  limits,
  type QueueAdmin,
  type QueueInfo,
  type QueueKey,
  type QueueStore,
} from "@pullqueue/core";
import { deadLetterTargetOf } from "../dead-letter.js";
import type {
  BindingDefinition,
  DeleteQueueOptions,
  ExchangeDefinition,
  QueueDefinition,
  QueueState,
} from "../definitions.js";
import { isKombuError, KombuError } from "../errors.js";
import { BindingTable } from "../routing.js";
import type { DeadLetterTarget, Topology } from "../transport.js";
import { checkQueue } from "./declaration-rules.js";
import { checkUnused, DeclaredExchanges } from "./declared-exchanges.js";
import { atDoor } from "./virtual-door.js";

/** Exchanges and bindings of one process, and queues of a store. */
export class VirtualTopology implements Topology {
  readonly #store: QueueStore & QueueAdmin;
  readonly #project: string;
  readonly #exchanges = new DeclaredExchanges();
  readonly #queues = new Map<string, QueueDefinition>();
  readonly #bindings = new BindingTable();

  constructor(store: QueueStore & QueueAdmin, project: string) {
    this.#store = store;
    this.#project = project;
  }

  /** The queues that a message goes to. `not_found` for an exchange that was not declared here. */
  lookup(exchange: string, routingKey: string): readonly string[] {
    if (exchange === "") return [routingKey];
    const { type } = this.#exchanges.get(exchange);
    return this.#bindings.lookup(exchange, type, routingKey);
  }

  /** `x-message-ttl` of a queue that was declared here, in milliseconds. */
  messageTtlMs(queue: string): number | undefined {
    const ttl = this.#queues.get(queue)?.arguments["x-message-ttl"];
    return typeof ttl === "number" ? ttl : undefined;
  }

  /** Where the definition of a queue that was declared here sends its dead letters. */
  deadLetters(queue: string): DeadLetterTarget | undefined {
    return deadLetterTargetOf(this.#queues.get(queue)?.arguments);
  }

  /** The queue in the store's own settings of a queue (`dead_letter_queue`), as far as we may know them. */
  async deadLetterQueue(queue: string): Promise<string | undefined> {
    try {
      const { settings } = await atDoor(() => this.#store.getQueue(this.#key(queue)));
      return settings.deadLetterQueue;
    } catch (error) {
      if (isKombuError(error, "permission_denied") || isKombuError(error, "not_found")) return undefined;
      throw error;
    }
  }

  /** Makes a plain queue if it is not there; once for each transport. */
  async ensureQueue(name: string, signal?: AbortSignal): Promise<void> {
    if (this.#queues.has(name)) return;
    const definition = { name, durable: true, exclusive: false, autoDelete: false, arguments: {} };
    await this.declareQueue(definition, false, signal);
  }

  async declareExchange(exchange: ExchangeDefinition, passive: boolean): Promise<void> {
    this.#exchanges.declare(exchange, passive);
  }

  async declareQueue(queue: QueueDefinition, passive: boolean, signal?: AbortSignal): Promise<QueueState> {
    const { name } = queue;
    const known = this.#queues.get(name);
    if (passive) return this.#state(name, signal);
    checkQueue(queue, known);
    const state = await this.#stateOrNew(name, signal);
    this.#queues.set(name, queue);
    return state;
  }

  async bind(binding: BindingDefinition): Promise<void> {
    if (binding.exchange === "") return;
    this.#exchanges.get(binding.exchange);
    this.#bindings.add(binding);
  }

  async unbind(binding: BindingDefinition): Promise<void> {
    this.#bindings.remove(binding);
  }

  async deleteExchange(name: string, options: { readonly ifUnused?: boolean } = {}): Promise<void> {
    if (options.ifUnused === true) checkUnused(name, this.#bindings.bindings(name));
    this.#exchanges.delete(name);
    this.#bindings.removeExchange(name);
  }

  async deleteQueue(name: string, { ifEmpty = false, signal }: DeleteQueueOptions = {}): Promise<number> {
    const info = await this.#info(name, signal);
    const count = info?.stats?.totalTasks ?? 0;
    if (ifEmpty && count > 0) return 0;
    this.#queues.delete(name);
    this.#bindings.removeQueue(name);
    if (info === undefined) return 0;
    if (!this.#store.supports.managesQueues) return this.purge(name, signal);
    await atDoor(() => this.#store.deleteQueue(this.#key(name), { signal }), signal);
    return count;
  }

  async purge(queue: string, signal?: AbortSignal): Promise<number> {
    return atDoor(() => this.#store.purge(this.#key(queue), { signal }), signal);
  }

  async count(queue: string, signal?: AbortSignal): Promise<number> {
    const { messageCount } = await this.#state(queue, signal);
    return messageCount ?? 0;
  }

  async #state(name: string, signal: AbortSignal | undefined): Promise<QueueState> {
    const info = await atDoor(() => this.#store.getQueue(this.#key(name), { stats: true, signal }), signal);
    return { name, messageCount: info.stats?.availableTasks };
  }

  /** Looks, makes where it may, and goes on where it is not allowed to know: a pure producer is not. */
  async #stateOrNew(name: string, signal: AbortSignal | undefined): Promise<QueueState> {
    try {
      const info = await this.#info(name, signal);
      if (info !== undefined) return { name, messageCount: info.stats?.availableTasks };
      if (!this.#store.supports.managesQueues) throw unknownOnPlainServer(name);
      const settings = DEFAULT_QUEUE_SETTINGS;
      await atDoor(() => this.#store.putQueue(this.#key(name), settings, { signal }), signal);
      return { name, messageCount: 0 };
    } catch (error) {
      if (isKombuError(error, "permission_denied")) return { name, messageCount: undefined };
      throw error;
    }
  }

  async #info(name: string, signal: AbortSignal | undefined): Promise<QueueInfo | undefined> {
    try {
      const options = { stats: true, signal };
      return await atDoor(() => this.#store.getQueue(this.#key(name), options), signal);
    } catch (error) {
      if (isKombuError(error, "not_found")) return undefined;
      throw error;
    }
  }

  #key(queue: string): QueueKey {
    return { project: this.#project, queue };
  }
}

function unknownOnPlainServer(name: string): KombuError {
  return new KombuError(
    "not_found",
    `there is no queue ${JSON.stringify(name)}, and this server cannot make queues; add it to the server's queue.yaml (names there match ${limits.PLAIN_QUEUE_NAME_PATTERN.source})`,
  );
}
