import { isDeepStrictEqual } from "node:util";
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  nameCheck,
  objectCheck,
  oneOfCheck,
} from "./check.js";
import type { ExchangeBindingDefinition, ExchangeDefinition, ExchangeType } from "./definitions.js";
import {
  type Arguments,
  DECLARE_CHECKS,
  type DeclareOptions,
  type EntityChannel,
  entityChannelCheck,
  needChannel,
} from "./entity.js";

/** 1 (`transient`) messages may be lost with the broker, 2 (`persistent`) may not. */
export type DeliveryMode = 1 | 2 | "transient" | "persistent";

/** What else is known about an exchange. */
export interface ExchangeOptions {
  /** Survives a restart of the broker. Default true. */
  readonly durable?: boolean;
  /** Goes when its last queue goes. Default false. */
  readonly autoDelete?: boolean;
  /** Declaring only checks that it is there. Default false. */
  readonly passive?: boolean;
  /** Of messages that do not say. Default: persistent. */
  readonly deliveryMode?: DeliveryMode;
  readonly arguments?: Arguments;
  /** Never declare it: somebody else does. Default false. */
  readonly noDeclare?: boolean;
}

/** A delivery mode by number or name. */
export const deliveryModeCheck = oneOfCheck([1, 2, "transient", "persistent"]);

const EXCHANGE_CHECKS: Readonly<Record<keyof ExchangeOptions, Check>> = {
  durable: booleanCheck,
  autoDelete: booleanCheck,
  passive: booleanCheck,
  deliveryMode: deliveryModeCheck,
  arguments: objectCheck,
  noDeclare: booleanCheck,
};

const EXCHANGE_TYPES: readonly ExchangeType[] = ["direct", "topic", "fanout", "headers"];

/** An exchange by itself. */
export const exchangeCheck: Check = { expected: "an Exchange", holds: (v) => v instanceof Exchange };

/** AMQP keeps names with this prefix to itself: such exchanges are there already. */
const RESERVED_PREFIX = "amq.";

/**
 * Where producers send to. The empty name is the default exchange, which is always there and knows every queue by its
 * name. Throws `invalid_argument` for what it does not understand.
 */
export class Exchange {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly passive: boolean;
  readonly deliveryMode: 1 | 2 | undefined;
  readonly arguments: Arguments;
  readonly noDeclare: boolean;
  #channel: EntityChannel | undefined;

  constructor(name = "", type: ExchangeType = "direct", options: ExchangeOptions = {}) {
    this.name = checkValue("an exchange's name", name, nameCheck);
    this.type = checkValue(`the type of exchange ${JSON.stringify(name)}`, type, oneOfCheck(EXCHANGE_TYPES));
    checkOptions(`exchange ${JSON.stringify(name)}`, options, EXCHANGE_CHECKS);
    this.durable = options.durable ?? true;
    this.autoDelete = options.autoDelete ?? false;
    this.passive = options.passive ?? false;
    this.deliveryMode = deliveryModeNumber(options.deliveryMode);
    this.arguments = Object.freeze({ ...options.arguments });
    this.noDeclare = options.noDeclare ?? false;
    Object.freeze(this);
  }

  /** The exchange of a plain object such as `toJSON` makes. */
  static from(plain: ExchangePlain): Exchange {
    const { name, type, ...options } = checkValue("a plain exchange", plain, objectCheck);
    return new Exchange(name, type, options);
  }

  /** What the broker is told. */
  get definition(): ExchangeDefinition {
    const { name, type, durable, autoDelete } = this;
    return { name, type, durable, autoDelete, arguments: this.arguments };
  }

  /** A copy that can be declared and deleted through this channel. */
  bind(channel: EntityChannel): Exchange {
    checkValue("the channel of an exchange", channel, entityChannelCheck);
    if (this.#channel === channel) return this;
    const bound = Exchange.from(this.toJSON());
    bound.#channel = channel;
    return bound;
  }

  /** Makes it, or does nothing for the default exchange, reserved names (`amq.…`) and `noDeclare`. Unbound: `not_bound`. */
  async declare(options: DeclareOptions = {}): Promise<void> {
    checkOptions("declare", options, DECLARE_CHECKS);
    const channel = needChannel(this.#channel, `exchange ${JSON.stringify(this.name)}`, "declare");
    if (this.name === "" || this.name.startsWith(RESERVED_PREFIX) || this.noDeclare) return;
    await channel.declareExchange(this.definition, options.passive ?? this.passive, options.signal);
  }

  /**
   * Removes it and its bindings; its queues stay. `ifUnused` refuses with `precondition_failed` while queues are bound to it,
   * as far as this connection knows of them. Unbound: `not_bound`.
   */
  async delete(options: { readonly ifUnused?: boolean } = {}): Promise<void> {
    checkOptions("delete", options, { ifUnused: booleanCheck });
    const channel = needChannel(this.#channel, `exchange ${JSON.stringify(this.name)}`, "delete");
    await channel.deleteExchange(this.name, options);
  }

  /** Lets it have what the source routes to it. `not_supported` where brokers cannot. Unbound: `not_bound`. */
  async bindTo(source: Exchange | string, options: ExchangeBindingOptions = {}): Promise<void> {
    const channel = needChannel(this.#channel, `exchange ${JSON.stringify(this.name)}`, "bindTo");
    await channel.bindExchange(this.#bindingTo(source, options));
  }

  /** Takes such a binding away; quiet when there is none. */
  async unbindFrom(source: Exchange | string, options: ExchangeBindingOptions = {}): Promise<void> {
    const channel = needChannel(this.#channel, `exchange ${JSON.stringify(this.name)}`, "unbindFrom");
    await channel.unbindExchange(this.#bindingTo(source, options));
  }

  /** Whether the two are one definition, not merely one name. */
  equals(other: Exchange): boolean {
    checkValue("the other exchange of equals", other, exchangeCheck);
    return this.deliveryMode === other.deliveryMode && isDeepStrictEqual(this.definition, other.definition);
  }

  #bindingTo(source: Exchange | string, options: ExchangeBindingOptions): ExchangeBindingDefinition {
    checkOptions("a binding of exchanges", options, EXCHANGE_BINDING_CHECKS);
    const { routingKey = "", arguments: args = {} } = options;
    return { source: exchangeOf(source).name, destination: this.name, routingKey, arguments: args };
  }

  /** The exchange as plain data, which `from` reads. */
  toJSON(): ExchangePlain {
    const { deliveryMode, passive, noDeclare } = this;
    return {
      ...this.definition,
      passive,
      noDeclare,
      ...(deliveryMode === undefined ? {} : { deliveryMode }),
    };
  }
}

/** What else is known about a binding of two exchanges. */
export interface ExchangeBindingOptions {
  /** The exact key, or on a topic exchange a pattern. Default: the empty key. */
  readonly routingKey?: string;
  readonly arguments?: Arguments;
}

const EXCHANGE_BINDING_CHECKS: Readonly<Record<keyof ExchangeBindingOptions, Check>> = {
  routingKey: nameCheck,
  arguments: objectCheck,
};

/** An exchange as plain data. */
export interface ExchangePlain extends ExchangeOptions {
  readonly name?: string;
  readonly type?: ExchangeType;
}

/** The exchange itself, or for a text the direct exchange of that name. */
export function exchangeOf(exchange: Exchange | string): Exchange {
  if (exchange instanceof Exchange) return exchange;
  return new Exchange(checkValue("an exchange that is not an Exchange", exchange, nameCheck));
}

/** The number that stands in a message for a delivery mode. */
export function deliveryModeNumber(mode: DeliveryMode | undefined): 1 | 2 | undefined {
  if (mode === "transient") return 1;
  return mode === "persistent" ? 2 : mode;
}
