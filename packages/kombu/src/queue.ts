import { isDeepStrictEqual } from "node:util";
import { newIdempotencyKey } from "@pullqueue/core";
import { Binding, type BindingOptions, type BindingPlain } from "./binding.js";
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkSignal,
  checkValue,
  functionCheck,
  integerCheck,
  nameCheck,
  objectCheck,
  optional,
  queueNameCheck,
} from "./check.js";
import type { DeleteQueueOptions, QueueDefinition, QueueState } from "./definitions.js";
import {
  type Arguments,
  DECLARE_CHECKS,
  DELETE_CHECKS,
  type DeclareOptions,
  type EntityChannel,
  entityChannelCheck,
  GET_CHECKS,
  type GetOptions,
  needChannel,
} from "./entity.js";
import { KombuError } from "./errors.js";
import { Exchange, type ExchangePlain, exchangeOf } from "./exchange.js";
import { PRIORITY_MAX } from "./limits.js";
import type { Message } from "./message.js";
import { type Schema, schemaCheck } from "./schema.js";

/** What else is known about a queue. */
export interface QueueOptions<In = unknown, Out = In> {
  /** Where its messages come from; a text is the direct exchange of that name. Default: the default exchange, which needs no binding. */
  readonly exchange?: Exchange | string;
  /** The exact key, or on a topic exchange a pattern of words with `*` and `#`. Default: the empty key. */
  readonly routingKey?: string;
  /** Several bindings instead of one exchange and key. */
  readonly bindings?: readonly Binding[];
  /** Survives a restart of the broker. Default true. */
  readonly durable?: boolean;
  /** For one connection only; implies `autoDelete`. Default false. */
  readonly exclusive?: boolean;
  /** Goes when its last consumer goes. Default false. */
  readonly autoDelete?: boolean;
  /** Its messages are acknowledged before they are handed over, unless a consumer says otherwise. Default false. */
  readonly noAck?: boolean;
  /** A name for people; means nothing to the broker. */
  readonly alias?: string;
  /** The queue goes after being unused for this long, in milliseconds (`x-expires`). */
  readonly expiresMs?: number;
  /** Messages go after this long, in milliseconds (`x-message-ttl`). */
  readonly messageTtlMs?: number;
  /** Most messages (`x-max-length`). */
  readonly maxLength?: number;
  /** Most bytes of messages (`x-max-length-bytes`). */
  readonly maxLengthBytes?: number;
  /** Highest priority (`x-max-priority`). RabbitMQ heeds priorities only in classic queues that have it, and only where they are made. */
  readonly maxPriority?: number;
  /**
   * Where its rejected and expired messages go (`x-dead-letter-exchange`): an Exchange is declared first, a name is not. The empty name is
   * the default exchange. Default: nowhere.
   */
  readonly deadLetterExchange?: Exchange | string;
  /** The routing key of those messages (`x-dead-letter-routing-key`). Default: the one they came with. */
  readonly deadLetterRoutingKey?: string;
  /** The queue where they go, declared first: short for the default exchange and its name as the key. */
  readonly deadLetterQueue?: Queue | string;
  /** Further `x-*` arguments; the options above win over them. */
  readonly queueArguments?: Arguments;
  readonly bindingArguments?: Arguments;
  readonly consumerArguments?: Arguments;
  /** Never declare it: somebody else does. Default false. */
  readonly noDeclare?: boolean;
  /** Called after each declaration with what the broker said. */
  readonly onDeclared?: (state: QueueState) => void;
  /**
   * What its payloads must be, of any library with Standard Schema. Its simple queues publish nothing else, and its consumers get
   * nothing else: what is refused goes the way of bodies that cannot be decoded.
   */
  readonly schema?: Schema<In, Out> | undefined;
}

const countCheck = integerCheck(0, Number.MAX_SAFE_INTEGER, "messages or bytes");
const durationCheck = integerCheck(1, Number.MAX_SAFE_INTEGER, "milliseconds");

const exchangeCheck: Check = {
  expected: "an Exchange or a name",
  holds: (v) => v instanceof Exchange || nameCheck.holds(v),
};

/** Python takes the exchange there, and an Exchange has options' names of its own. */
const notExchangeCheck: Check = {
  expected: "an object, such as { exchange, routingKey }, and not the exchange itself",
  holds: (v) => !(v instanceof Exchange),
};

const QUEUE_CHECKS: Readonly<Record<keyof QueueOptions, Check>> = {
  exchange: exchangeCheck,
  routingKey: nameCheck,
  bindings: {
    expected: "an array of Binding",
    holds: (v) => Array.isArray(v) && v.every((item) => item instanceof Binding),
  },
  durable: booleanCheck,
  exclusive: booleanCheck,
  autoDelete: booleanCheck,
  noAck: booleanCheck,
  alias: nameCheck,
  expiresMs: durationCheck,
  messageTtlMs: integerCheck(0, Number.MAX_SAFE_INTEGER, "milliseconds"),
  maxLength: countCheck,
  maxLengthBytes: countCheck,
  maxPriority: integerCheck(0, PRIORITY_MAX, "priority"),
  deadLetterExchange: exchangeCheck,
  deadLetterRoutingKey: nameCheck,
  deadLetterQueue: {
    expected: `a Queue or ${queueNameCheck.expected}`,
    holds: (v) => v instanceof Queue || queueNameCheck.holds(v),
  },
  queueArguments: objectCheck,
  bindingArguments: objectCheck,
  consumerArguments: objectCheck,
  noDeclare: booleanCheck,
  onDeclared: functionCheck,
  schema: schemaCheck,
};

const plainBindingsCheck: Check = optional({ expected: "an array", holds: Array.isArray });

const queueCheck: Check = { expected: "a Queue", holds: (v) => v instanceof Queue };

/** The `x-*` argument that each option becomes. */
const ARGUMENT_OF_OPTION = {
  expiresMs: "x-expires",
  messageTtlMs: "x-message-ttl",
  maxLength: "x-max-length",
  maxLengthBytes: "x-max-length-bytes",
  maxPriority: "x-max-priority",
} as const;

/**
 * Where messages wait. An empty name is replaced by a unique one at once, so that the value has a name everywhere. Throws
 * `invalid_argument` for what it does not understand. What a broker cannot do with an option is in the capability matrix.
 *
 * With a schema, `In` is what may be published and `Out` what a consumer gets.
 */
export class Queue<In = unknown, Out = In> {
  readonly name: string;
  readonly exchange: Exchange;
  readonly routingKey: string;
  readonly bindings: readonly Binding[];
  readonly exclusive: boolean;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly noAck: boolean;
  readonly alias: string | undefined;
  /** What is declared before it, because its dead letters go there. */
  readonly deadLetters: Exchange | Queue | undefined;
  /** `x-*` arguments, those that came from options included. */
  readonly queueArguments: Arguments;
  readonly bindingArguments: Arguments;
  readonly consumerArguments: Arguments;
  readonly noDeclare: boolean;
  readonly onDeclared: ((state: QueueState) => void) | undefined;
  readonly schema: Schema<In, Out> | undefined;
  readonly #options: QueueOptions<In, Out>;
  #channel: EntityChannel | undefined;

  constructor(name = "", options: QueueOptions<In, Out> = {}) {
    checkValue("a queue's name", name, nameCheck);
    checkValue(`the options of queue ${JSON.stringify(name)}`, options, notExchangeCheck);
    checkOptions(`queue ${JSON.stringify(name)}`, options, QUEUE_CHECKS);
    checkBindings(name, options);
    // Not amq.gen-, which RabbitMQ keeps for names that it makes itself.
    this.name = name === "" ? `gen-${newIdempotencyKey()}` : name;
    this.exchange = exchangeOf(options.exchange ?? "");
    this.routingKey = options.routingKey ?? "";
    this.bindings = Object.freeze([...(options.bindings ?? [])]);
    this.exclusive = options.exclusive ?? false;
    this.durable = options.durable ?? true;
    this.autoDelete = this.exclusive || (options.autoDelete ?? false);
    this.noAck = options.noAck ?? false;
    this.alias = options.alias;
    this.deadLetters = deadLettersOf(options);
    this.queueArguments = Object.freeze({
      ...options.queueArguments,
      ...argumentsOf(options),
      ...deadLetterArguments(options, this.deadLetters),
    });
    checkCircle(this);
    this.bindingArguments = Object.freeze({ ...options.bindingArguments });
    this.consumerArguments = Object.freeze({ ...options.consumerArguments });
    this.noDeclare = options.noDeclare ?? false;
    this.onDeclared = options.onDeclared;
    this.schema = options.schema;
    this.#options = { ...options };
    Object.freeze(this);
  }

  /** The queue of a plain object such as `toJSON` makes. */
  static from(plain: QueuePlain): Queue {
    const { name, exchange, bindings, ...options } = checkValue("a plain queue", plain, objectCheck);
    checkValue("the bindings of a plain queue", bindings, plainBindingsCheck);
    return new Queue(name, {
      ...options,
      ...(exchange === undefined ? {} : { exchange: Exchange.from(exchange) }),
      ...(bindings === undefined ? {} : { bindings: bindings.map((one) => Binding.from(one)) }),
    });
  }

  /** What the broker is told. */
  get definition(): QueueDefinition {
    const { name, durable, exclusive, autoDelete, queueArguments } = this;
    return { name, durable, exclusive, autoDelete, arguments: queueArguments };
  }

  /** Whether a declaration stays true, so that it need not be repeated: not for queues that may go by themselves. */
  get staysDeclared(): boolean {
    return !this.autoDelete && this.queueArguments["x-expires"] === undefined;
  }

  /** A copy that can be declared, read, purged and deleted through this channel. */
  bind(channel: EntityChannel): Queue<In, Out> {
    checkValue("the channel of a queue", channel, entityChannelCheck);
    if (this.#channel === channel) return this;
    const bound = new Queue<In, Out>(this.name, this.#options);
    bound.#channel = channel;
    return bound;
  }

  /**
   * Makes its exchanges, itself and its bindings, and returns its name; `noDeclare` does nothing. Passive: only checks that
   * the queue is there. Errors: `not_bound`, `not_found` (passive), `precondition_failed` for another definition of the name.
   */
  async declare(options: DeclareOptions = {}): Promise<string> {
    checkOptions("declare", options, DECLARE_CHECKS);
    const channel = this.#need("declare");
    if (this.noDeclare) return this.name;
    const { passive = false, signal } = options;
    if (!passive) await this.deadLetters?.bind(channel).declare({ signal });
    const bindings = passive ? [] : this.#allBindings();
    for (const binding of bindings) await binding.declare(channel, { signal });
    const state = await channel.declareQueue(this.definition, passive, signal);
    for (const binding of bindings) await binding.bind(this);
    this.onDeclared?.(state);
    return this.name;
  }

  /** Makes the queue alone, without its exchanges and bindings. Errors: as `declare`. */
  async queueDeclare(options: DeclareOptions = {}): Promise<QueueState> {
    checkOptions("queueDeclare", options, DECLARE_CHECKS);
    const { passive = false, signal } = options;
    const state = await this.#need("queueDeclare").declareQueue(this.definition, passive, signal);
    this.onDeclared?.(state);
    return state;
  }

  /** Makes the bindings alone: both ends are there already. */
  async queueBind(): Promise<void> {
    for (const binding of this.#allBindings()) await binding.bind(this);
  }

  /** Takes the bindings away; quiet for those that are not there. The queue stays, with its messages. */
  async queueUnbind(): Promise<void> {
    for (const binding of this.#allBindings()) await binding.unbind(this);
  }

  /** One message, or null when there is none now. */
  async get(options: GetOptions = {}): Promise<Message<Out> | null> {
    checkOptions("get", options, GET_CHECKS);
    const { noAck = this.noAck, ...others } = options;
    const message = await this.#need("get").get(this.name, { ...others, noAck, schema: this.schema });
    return message as Message<Out> | null;
  }

  /** Removes all its messages, where the broker leases those that somebody holds too, and returns how many. */
  async purge(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    checkSignal("purge", options);
    return this.#need("purge").purge(this.name, options.signal);
  }

  /** Removes it with its messages and bindings, and returns how many messages went. Error: `not_bound`. */
  async delete(options: DeleteQueueOptions = {}): Promise<number> {
    checkOptions("delete", options, DELETE_CHECKS);
    return this.#need("delete").deleteQueue(this.name, options);
  }

  /** Binds it to one more exchange. */
  async bindTo(exchange: Exchange | string, options: BindingOptions = {}): Promise<void> {
    await this.#need("bindTo").bind(new Binding(exchange, options).definition(this.name));
  }

  /** Takes a binding away; quiet when there is none. */
  async unbindFrom(exchange: Exchange | string, options: BindingOptions = {}): Promise<void> {
    await this.#need("unbindFrom").unbind(new Binding(exchange, options).definition(this.name));
  }

  /** Whether the two are one definition, not merely one name. */
  equals(other: Queue): boolean {
    checkValue("the other queue of equals", other, queueCheck);
    return isDeepStrictEqual(this.toJSON(), other.toJSON());
  }

  /** The queue as plain data, which `from` reads; `onDeclared` and `schema` stay behind. */
  toJSON(): QueuePlain {
    const { name, routingKey, durable, exclusive, autoDelete, noAck, alias, noDeclare } = this;
    const { queueArguments, bindingArguments, consumerArguments } = this;
    return {
      ...{ name, routingKey, durable, exclusive, autoDelete, noAck, noDeclare },
      ...{ queueArguments, bindingArguments, consumerArguments },
      exchange: this.exchange.toJSON(),
      bindings: this.bindings.map((binding) => binding.toJSON()),
      ...(alias === undefined ? {} : { alias }),
    };
  }

  /** The main binding, unless the default exchange makes it needless, and the others. */
  #allBindings(): readonly Binding[] {
    if (this.exchange.name === "") return this.bindings;
    const { routingKey, bindingArguments } = this;
    return [new Binding(this.exchange, { routingKey, arguments: bindingArguments }), ...this.bindings];
  }

  #need(verb: string): EntityChannel {
    return needChannel(this.#channel, `queue ${JSON.stringify(this.name)}`, verb);
  }
}

/** Options that plain data has not, or in another form. */
type NotPlain =
  | ("exchange" | "bindings" | "onDeclared" | "schema")
  | ("deadLetterExchange" | "deadLetterRoutingKey" | "deadLetterQueue");

/** A queue as plain data. */
export interface QueuePlain extends Omit<QueueOptions, NotPlain> {
  readonly name?: string;
  readonly exchange?: ExchangePlain;
  readonly bindings?: readonly BindingPlain[];
}

/** Kombu drops the main exchange silently when there are bindings; here that has to be said. */
function checkBindings(
  name: string,
  { exchange, bindings = [] }: Pick<QueueOptions, "exchange" | "bindings">,
): void {
  if (bindings.length === 0 || exchange === undefined || exchangeOf(exchange).name === "") return;
  throw new KombuError(
    "invalid_argument",
    `queue ${JSON.stringify(name)} has an exchange and bindings; give the exchange as one of the bindings`,
  );
}

/** One queue is one object, however often it is declared. */
function deadLettersOf(options: QueueOptions): Exchange | Queue | undefined {
  const { deadLetterQueue, deadLetterExchange } = options;
  if (typeof deadLetterQueue === "string") return new Queue(deadLetterQueue);
  return deadLetterQueue ?? (deadLetterExchange instanceof Exchange ? deadLetterExchange : undefined);
}

function deadLetterArguments(options: QueueOptions, entity: Exchange | Queue | undefined): Arguments {
  const { deadLetterExchange, deadLetterRoutingKey, deadLetterQueue } = options;
  const isTwice = deadLetterQueue !== undefined && (deadLetterExchange ?? deadLetterRoutingKey) !== undefined;
  if (isTwice || (deadLetterRoutingKey !== undefined && deadLetterExchange === undefined)) {
    throw new KombuError(
      "invalid_argument",
      "dead letters go to deadLetterQueue alone, or to deadLetterExchange with or without deadLetterRoutingKey",
    );
  }
  if (entity instanceof Queue) {
    return { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": entity.name };
  }
  if (deadLetterExchange === undefined) return {};
  return {
    "x-dead-letter-exchange": exchangeOf(deadLetterExchange).name,
    ...(deadLetterRoutingKey === undefined ? {} : { "x-dead-letter-routing-key": deadLetterRoutingKey }),
  };
}

/** A queue that gets its own dead letters hands them out for ever. */
function checkCircle({ name, queueArguments }: Queue): void {
  const { "x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": key } = queueArguments;
  if (exchange !== "" || key !== name) return;
  throw new KombuError(
    "invalid_argument",
    `queue ${JSON.stringify(name)} cannot be its own dead-letter queue; name another`,
  );
}

function argumentsOf(options: Pick<QueueOptions, keyof typeof ARGUMENT_OF_OPTION>): Arguments {
  return Object.fromEntries(
    Object.entries(ARGUMENT_OF_OPTION).flatMap(([option, argument]) => {
      const value = options[option as keyof typeof ARGUMENT_OF_OPTION];
      return value === undefined ? [] : [[argument, value]];
    }),
  );
}
