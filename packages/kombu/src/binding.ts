import { type Check, checkOptions, checkValue, methodsCheck, nameCheck, objectCheck } from "./check.js";
import type { BindingDefinition } from "./definitions.js";
import type { Arguments, DeclareOptions, EntityChannel } from "./entity.js";
import { Exchange, type ExchangePlain, exchangeOf } from "./exchange.js";

/** What else is known about a binding. */
export interface BindingOptions {
  /** The exact key, or on a topic exchange a pattern of words with `*` and `#`. Default: the empty key. */
  readonly routingKey?: string;
  readonly arguments?: Arguments;
  /** What unbinding is told. Default: `arguments`, without which a headers exchange would not find the binding. */
  readonly unbindArguments?: Arguments;
}

/** What can be bound to an exchange: a queue or an exchange that has a channel. */
export interface Bindable {
  bindTo(exchange: Exchange, options: BindingOptions): Promise<void>;
  unbindFrom(exchange: Exchange, options: BindingOptions): Promise<void>;
}

const BINDING_CHECKS: Readonly<Record<keyof BindingOptions, Check>> = {
  routingKey: nameCheck,
  arguments: objectCheck,
  unbindArguments: objectCheck,
};

const bindableCheck: Check = methodsCheck("a Queue or an Exchange", "bindTo", "unbindFrom");

/** A way by which messages reach a queue, or one of several: kombu's `binding`. */
export class Binding {
  readonly exchange: Exchange;
  readonly routingKey: string;
  readonly arguments: Arguments;
  readonly unbindArguments: Arguments;

  constructor(exchange: Exchange | string, options: BindingOptions = {}) {
    checkOptions("a binding", options, BINDING_CHECKS);
    this.exchange = exchangeOf(exchange);
    this.routingKey = options.routingKey ?? "";
    this.arguments = Object.freeze({ ...options.arguments });
    this.unbindArguments = Object.freeze({ ...(options.unbindArguments ?? options.arguments) });
    Object.freeze(this);
  }

  /** What the broker is told. */
  definition(queue: string): BindingDefinition {
    return { exchange: this.exchange.name, queue, routingKey: this.routingKey, arguments: this.arguments };
  }

  /** Declares its exchange. Errors: those of `Exchange.declare`. */
  async declare(channel: EntityChannel, options: DeclareOptions = {}): Promise<void> {
    await this.exchange.bind(channel).declare(options);
  }

  /** Binds a queue or an exchange that has a channel. Errors: `not_bound`, `not_found`. */
  async bind(entity: Bindable): Promise<void> {
    checkValue("what is bound", entity, bindableCheck);
    await entity.bindTo(this.exchange, { routingKey: this.routingKey, arguments: this.arguments });
  }

  /** Takes that away; quiet when it is not there. Error: `not_bound`. */
  async unbind(entity: Bindable): Promise<void> {
    checkValue("what is unbound", entity, bindableCheck);
    await entity.unbindFrom(this.exchange, { routingKey: this.routingKey, arguments: this.unbindArguments });
  }

  /** The binding of a plain object such as `toJSON` makes. */
  static from(plain: BindingPlain): Binding {
    const { exchange, ...options } = checkValue("a plain binding", plain, objectCheck);
    return new Binding(Exchange.from(exchange), options);
  }

  /** The binding as plain data, which `from` reads. */
  toJSON(): BindingPlain {
    const { routingKey, unbindArguments } = this;
    return { exchange: this.exchange.toJSON(), routingKey, arguments: this.arguments, unbindArguments };
  }
}

/** A binding as plain data. */
export interface BindingPlain extends BindingOptions {
  readonly exchange: ExchangePlain;
}
