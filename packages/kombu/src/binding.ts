import { type Check, checkOptions, nameCheck, objectCheck } from "./check.js";
import type { BindingDefinition } from "./definitions.js";
import type { Arguments } from "./entity.js";
import { Exchange, type ExchangePlain, exchangeOf } from "./exchange.js";

/** What else is known about a binding. */
export interface BindingOptions {
  /** The exact key, or on a topic exchange a pattern of words with `*` and `#`. Default: the empty key. */
  readonly routingKey?: string;
  readonly arguments?: Arguments;
}

const BINDING_CHECKS: Readonly<Record<keyof BindingOptions, Check>> = {
  routingKey: nameCheck,
  arguments: objectCheck,
};

/** One way by which messages reach a queue that has several. */
export class Binding {
  readonly exchange: Exchange;
  readonly routingKey: string;
  readonly arguments: Arguments;

  constructor(exchange: Exchange | string, options: BindingOptions = {}) {
    checkOptions("a binding", options, BINDING_CHECKS);
    this.exchange = exchangeOf(exchange);
    this.routingKey = options.routingKey ?? "";
    this.arguments = Object.freeze({ ...options.arguments });
    Object.freeze(this);
  }

  /** What the broker is told. */
  definition(queue: string): BindingDefinition {
    return { exchange: this.exchange.name, queue, routingKey: this.routingKey, arguments: this.arguments };
  }

  /** The binding of a plain object such as `toJSON` makes. */
  static from({ exchange, ...options }: BindingPlain): Binding {
    return new Binding(Exchange.from(exchange), options);
  }

  /** The binding as plain data, which `from` reads. */
  toJSON(): BindingPlain {
    return { exchange: this.exchange.toJSON(), routingKey: this.routingKey, arguments: this.arguments };
  }
}

/** A binding as plain data. */
export interface BindingPlain extends BindingOptions {
  readonly exchange: ExchangePlain;
}
