import { isDeepStrictEqual } from "node:util";
import type {
  BindingDefinition,
  DeleteQueueOptions,
  ExchangeBindingDefinition,
  ExchangeDefinition,
  QueueDefinition,
  QueueState,
} from "../definitions.js";
import { isKombuError, KombuError } from "../errors.js";
import type { Topology } from "../transport.js";
import type { ClientChannel } from "./amqp-client.js";
import type { AmqpLink } from "./amqp-link.js";
import { writeTable } from "./amqp-table.js";

/** A call that the broker answers, on a channel of its own. */
export type AmqpCall = <T>(
  doing: string,
  work: (client: ClientChannel) => Promise<T>,
  signal?: AbortSignal,
) => Promise<T>;

/** One declaration of a replay. */
type Step = (client: ClientChannel) => Promise<unknown>;

/** AMQP's reply for what belongs to another connection. */
const RESOURCE_LOCKED = 405;

/** What else happens when something is bound: delayed delivery adds bindings of its own. */
export type BindingHook = (
  binding: BindingDefinition,
  exchange: ExchangeDefinition | undefined,
) => Promise<void>;

/**
 * Exchanges, queues and bindings of the broker. What was declared here is remembered, to be declared again on a new connection:
 * what is exclusive went with the old one, and what is not durable with a restarted broker.
 */
export class AmqpTopology implements Topology {
  readonly #call: AmqpCall;
  readonly #onBind: BindingHook;
  readonly #exchanges = new Map<string, ExchangeDefinition>();
  readonly #queues = new Map<string, QueueDefinition>();
  readonly #bindings = new Map<string, BindingDefinition>();
  readonly #exchangeBindings = new Map<string, ExchangeBindingDefinition>();
  #unfinished: { readonly link: AmqpLink; readonly steps: readonly Step[] } | undefined;

  constructor(call: AmqpCall, onBind: BindingHook = async () => {}) {
    this.#call = call;
    this.#onBind = onBind;
  }

  /** An exchange as it was declared here. */
  exchange(name: string): ExchangeDefinition | undefined {
    return this.#exchanges.get(name);
  }

  /** Whether a queue was declared here that goes with its last consumer. */
  isAutoDelete(queue: string): boolean {
    return this.#queues.get(queue)?.autoDelete === true;
  }

  async declareExchange(exchange: ExchangeDefinition, passive: boolean, signal?: AbortSignal): Promise<void> {
    const { name } = exchange;
    const doing = `declaring exchange ${JSON.stringify(name)}`;
    if (passive) return void (await this.#call(doing, (client) => client.checkExchange(name), signal));
    this.#refuseOtherArguments(exchange);
    await this.#call(doing, (client) => declareExchange(client, exchange), signal);
    this.#exchanges.set(name, exchange);
  }

  async declareQueue(queue: QueueDefinition, passive: boolean, signal?: AbortSignal): Promise<QueueState> {
    const { name } = queue;
    const doing = `declaring queue ${JSON.stringify(name)}`;
    const { messageCount } = await this.#call(
      doing,
      (client) => (passive ? client.checkQueue(name) : declareQueue(client, queue)),
      signal,
    );
    if (!passive) this.#queues.set(name, queue);
    return { name, messageCount };
  }

  /** Whether a queue was declared here as one that counts deliveries. */
  isQuorum(queue: string): boolean {
    return this.#queues.get(queue)?.arguments["x-queue-type"] === "quorum";
  }

  /** Makes a plain queue if it is not there; once for each transport. */
  async ensureQueue(name: string, signal?: AbortSignal): Promise<void> {
    if (this.#queues.has(name)) return;
    const definition = { name, durable: true, exclusive: false, autoDelete: false, arguments: {} };
    await this.declareQueue(definition, false, signal);
  }

  async bind(binding: BindingDefinition): Promise<void> {
    // The default exchange knows every queue beforehand, and takes no bindings.
    if (binding.exchange === "") return;
    await this.#call(describe("binding", binding), (client) => bind(client, binding));
    this.#bindings.set(keyOf(binding), binding);
    await this.#onBind(binding, this.#exchanges.get(binding.exchange));
  }

  async unbind(binding: BindingDefinition): Promise<void> {
    this.#bindings.delete(keyOf(binding));
    const { queue, exchange, routingKey, arguments: args = {} } = binding;
    const table = writeTable(args);
    await quiet(() =>
      this.#call(describe("unbinding", binding), (client) =>
        client.unbindQueue(queue, exchange, routingKey, table),
      ),
    );
  }

  async bindExchange(binding: ExchangeBindingDefinition): Promise<void> {
    await this.#call(describeExchanges("binding", binding), (client) => bindExchange(client, binding));
    this.#exchangeBindings.set(keyOf(binding), binding);
  }

  async unbindExchange(binding: ExchangeBindingDefinition): Promise<void> {
    this.#exchangeBindings.delete(keyOf(binding));
    const { source, destination, routingKey, arguments: args = {} } = binding;
    const table = writeTable(args);
    await quiet(() =>
      this.#call(describeExchanges("unbinding", binding), (client) =>
        client.unbindExchange(destination, source, routingKey, table),
      ),
    );
  }

  async deleteExchange(name: string, options: { readonly ifUnused?: boolean } = {}): Promise<void> {
    const { ifUnused = false } = options;
    await this.#call(`deleting exchange ${JSON.stringify(name)}`, (client) =>
      client.deleteExchange(name, { ifUnused }),
    );
    this.#exchanges.delete(name);
    forget(this.#bindings, ({ exchange }) => exchange === name);
    forget(this.#exchangeBindings, ({ source, destination }) => source === name || destination === name);
  }

  async deleteQueue(
    name: string,
    { ifEmpty = false, ifUnused = false, signal }: DeleteQueueOptions = {},
  ): Promise<number> {
    const doing = `deleting queue ${JSON.stringify(name)}`;
    try {
      const { messageCount } = await this.#call(
        doing,
        (client) => client.deleteQueue(name, { ifEmpty, ifUnused }),
        signal,
      );
      this.forgetQueue(name);
      return messageCount;
    } catch (error) {
      // Not empty, or somebody consumes from it: it stays.
      if ((ifEmpty || ifUnused) && isKombuError(error, "precondition_failed")) return 0;
      throw error;
    }
  }

  async purge(queue: string, signal?: AbortSignal): Promise<number> {
    const doing = `purging queue ${JSON.stringify(queue)}`;
    return (await this.#call(doing, (client) => client.purgeQueue(queue), signal)).messageCount;
  }

  async count(queue: string, signal?: AbortSignal): Promise<number> {
    const doing = `counting queue ${JSON.stringify(queue)}`;
    return (await this.#call(doing, (client) => client.checkQueue(queue), signal)).messageCount;
  }

  /** A queue that goes by itself went with its last consumer, so that a reconnection does not bring it back. */
  consumerEnded(queue: string): void {
    const { autoDelete = false, exclusive = false, arguments: args = {} } = this.#queues.get(queue) ?? {};
    if ((autoDelete && !exclusive) || args["x-expires"] !== undefined) this.forgetQueue(queue);
  }

  forgetQueue(name: string): void {
    this.#queues.delete(name);
    forget(this.#bindings, ({ queue }) => queue === name);
  }

  /**
   * Declares on a new link what was declared before. What others have changed meanwhile is left as it is: the next call that
   * needs it says what is wrong.
   */
  async replay(link: AmqpLink): Promise<void> {
    const steps: readonly Step[] = [
      ...[...this.#exchanges.values()].map(
        (exchange) => (client: ClientChannel) => declareExchange(client, exchange),
      ),
      ...[...this.#queues.values()].map((queue) => (client: ClientChannel) => declareQueue(client, queue)),
      ...[...this.#exchangeBindings.values()].map(
        (one) => (client: ClientChannel) => bindExchange(client, one),
      ),
      ...[...this.#bindings.values()].map((one) => (client: ClientChannel) => bind(client, one)),
    ];
    this.#unfinished = { link, steps: await failing(link, steps) };
  }

  /**
   * Tries again what a new link could not declare: a broker that has not noticed the end of the old connection keeps what was
   * exclusive to it.
   */
  async finishReplay(link: AmqpLink): Promise<void> {
    const unfinished = this.#unfinished;
    if (unfinished === undefined || unfinished.link !== link || unfinished.steps.length === 0) return;
    this.#unfinished = undefined; // Others need not try at the same time.
    this.#unfinished = { link, steps: await failing(link, unfinished.steps) };
  }

  /** RabbitMQ takes no notice of most arguments of an exchange that is there already. */
  #refuseOtherArguments(exchange: ExchangeDefinition): void {
    const known = this.#exchanges.get(exchange.name);
    if (known === undefined || known.autoDelete || isDeepStrictEqual(known.arguments, exchange.arguments))
      return;
    throw new KombuError(
      "precondition_failed",
      `exchange ${JSON.stringify(exchange.name)} was declared with the arguments ${JSON.stringify(known.arguments)}; it cannot get ${JSON.stringify(exchange.arguments)}. Declare it the same way, or delete it first`,
    );
  }
}

/** The steps that fail because something is locked, and those that fail because of that. None, when nothing is locked. */
async function failing(link: AmqpLink, steps: readonly Step[]): Promise<readonly Step[]> {
  const failed: Step[] = [];
  let isLocked = false;
  for (const step of steps) {
    try {
      await link.onChannel("declaring again after a reconnection", step);
    } catch (error) {
      if (!link.isOpen) throw error;
      const locks =
        isKombuError(error) && (error.cause as { readonly code?: unknown })?.code === RESOURCE_LOCKED;
      if (locks || isKombuError(error, "not_found")) failed.push(step);
      isLocked ||= locks;
    }
  }
  return isLocked ? failed : [];
}

function declareExchange(client: ClientChannel, exchange: ExchangeDefinition): Promise<unknown> {
  const { name, type, durable, autoDelete } = exchange;
  return client.assertExchange(name, type, {
    durable,
    autoDelete,
    arguments: writeTable(exchange.arguments),
  });
}

function declareQueue(client: ClientChannel, queue: QueueDefinition) {
  const { name, durable, autoDelete, exclusive } = queue;
  return client.assertQueue(name, { durable, autoDelete, exclusive, arguments: writeTable(queue.arguments) });
}

function bind(client: ClientChannel, binding: BindingDefinition): Promise<unknown> {
  const { queue, exchange, routingKey, arguments: args = {} } = binding;
  return client.bindQueue(queue, exchange, routingKey, writeTable(args));
}

function bindExchange(client: ClientChannel, binding: ExchangeBindingDefinition): Promise<unknown> {
  const { source, destination, routingKey, arguments: args = {} } = binding;
  return client.bindExchange(destination, source, routingKey, writeTable(args));
}

function keyOf(binding: object): string {
  return JSON.stringify(binding);
}

function forget<T>(entries: Map<string, T>, isMeant: (value: T) => boolean): void {
  for (const [key, value] of entries) if (isMeant(value)) entries.delete(key);
}

function describe(what: string, { queue, exchange, routingKey }: BindingDefinition): string {
  return `${what} queue ${JSON.stringify(queue)} and exchange ${JSON.stringify(exchange)} (${JSON.stringify(routingKey)})`;
}

function describeExchanges(what: string, { source, destination }: ExchangeBindingDefinition): string {
  return `${what} exchange ${JSON.stringify(destination)} and exchange ${JSON.stringify(source)}`;
}

/** Unbinding what is not there is no mistake. */
async function quiet(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isKombuError(error, "not_found")) throw error;
  }
}
