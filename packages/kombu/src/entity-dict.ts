import { Binding } from "./binding.js";
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  integerCheck,
  nameCheck,
  numberCheck,
  objectCheck,
} from "./check.js";
import type { ExchangeType } from "./definitions.js";
import type { Arguments } from "./entity.js";
import { type DeliveryMode, deliveryModeCheck, Exchange, exchangeCheck } from "./exchange.js";
import { Queue } from "./queue.js";

/**
 * Queues and exchanges as Python's kombu writes them down: what `as_dict(recurse=True)` gives, and what `Queue.from_dict` takes, such
 * as the entries of a Celery configuration. Python's None is null, and means that nothing was said.
 */

/** An exchange as Python's `Exchange.as_dict` has it. */
export interface ExchangeDict {
  readonly name?: string | null;
  readonly type?: ExchangeType | null;
  readonly durable?: boolean | null;
  readonly auto_delete?: boolean | null;
  readonly passive?: boolean | null;
  readonly delivery_mode?: DeliveryMode | null;
  readonly arguments?: Arguments | null;
  readonly no_declare?: boolean | null;
}

/** A binding as Python's `binding.as_dict` has it. */
export interface BindingDict {
  readonly exchange: ExchangeDict;
  readonly routing_key?: string | null;
  readonly arguments?: Arguments | null;
  readonly unbind_arguments?: Arguments | null;
}

/** A queue as Python's `Queue.from_dict` takes it, or as `Queue.as_dict` gives it. Durations are in seconds, as there. */
export interface QueueDict {
  readonly name?: string | null;
  /** A name, about which the options `exchange_…` and `delivery_mode` say more; or the exchange itself. */
  readonly exchange?: string | ExchangeDict | null;
  readonly exchange_type?: ExchangeType | null;
  readonly exchange_durable?: boolean | null;
  readonly exchange_auto_delete?: boolean | null;
  readonly exchange_arguments?: Arguments | null;
  readonly delivery_mode?: DeliveryMode | null;
  readonly routing_key?: string | null;
  /** Wins over `routing_key`. */
  readonly binding_key?: string | null;
  /** Of the queue and the exchange, where `queue_durable` and `exchange_durable` say nothing else. */
  readonly durable?: boolean | null;
  readonly queue_durable?: boolean | null;
  /** Of the queue and the exchange, where `queue_auto_delete` and `exchange_auto_delete` say nothing else. */
  readonly auto_delete?: boolean | null;
  readonly queue_auto_delete?: boolean | null;
  readonly exclusive?: boolean | null;
  readonly no_ack?: boolean | null;
  readonly no_declare?: boolean | null;
  readonly alias?: string | null;
  readonly expires?: number | null;
  readonly message_ttl?: number | null;
  readonly max_length?: number | null;
  readonly max_length_bytes?: number | null;
  readonly max_priority?: number | null;
  readonly queue_arguments?: Arguments | null;
  readonly binding_arguments?: Arguments | null;
  readonly consumer_arguments?: Arguments | null;
  readonly bindings?: readonly BindingDict[] | null;
}

const MS_PER_SECOND = 1000;

const secondsCheck = numberCheck(0, Number.MAX_SAFE_INTEGER / MS_PER_SECOND, "seconds");
const countCheck = integerCheck(0, Number.MAX_SAFE_INTEGER, "messages, bytes or priorities");
// What it may be in particular, the exchange's own checks say.
const typeCheck: Check = { expected: "a type of exchange", holds: (v) => typeof v === "string" };

const EXCHANGE_DICT_CHECKS: Readonly<Record<keyof ExchangeDict, Check>> = {
  name: nameCheck,
  type: typeCheck,
  durable: booleanCheck,
  auto_delete: booleanCheck,
  passive: booleanCheck,
  delivery_mode: deliveryModeCheck,
  arguments: objectCheck,
  no_declare: booleanCheck,
};

const BINDING_DICT_CHECKS: Readonly<Record<keyof BindingDict, Check>> = {
  exchange: objectCheck,
  routing_key: nameCheck,
  arguments: objectCheck,
  unbind_arguments: objectCheck,
};

const QUEUE_DICT_CHECKS: Readonly<Record<keyof QueueDict, Check>> = {
  name: nameCheck,
  exchange: { expected: "a name or an object", holds: (v) => nameCheck.holds(v) || objectCheck.holds(v) },
  exchange_type: typeCheck,
  exchange_durable: booleanCheck,
  exchange_auto_delete: booleanCheck,
  exchange_arguments: objectCheck,
  delivery_mode: deliveryModeCheck,
  routing_key: nameCheck,
  binding_key: nameCheck,
  durable: booleanCheck,
  queue_durable: booleanCheck,
  auto_delete: booleanCheck,
  queue_auto_delete: booleanCheck,
  exclusive: booleanCheck,
  no_ack: booleanCheck,
  no_declare: booleanCheck,
  alias: nameCheck,
  expires: secondsCheck,
  message_ttl: secondsCheck,
  max_length: countCheck,
  max_length_bytes: countCheck,
  max_priority: countCheck,
  queue_arguments: objectCheck,
  binding_arguments: objectCheck,
  consumer_arguments: objectCheck,
  bindings: { expected: "an array", holds: Array.isArray },
};

const queueCheck: Check = { expected: "a Queue", holds: (v) => v instanceof Queue };

/** Kombu's `Exchange(**dict)`: what Python's `Exchange.as_dict` wrote down. Throws `invalid_argument`. */
export function exchangeFromDict(dict: ExchangeDict): Exchange {
  checkDict("an exchange's dict", dict, EXCHANGE_DICT_CHECKS);
  const { name, type, durable, passive, arguments: args } = said(dict);
  const options = {
    ...{ durable, passive, arguments: args, autoDelete: dict.auto_delete },
    ...{ deliveryMode: dict.delivery_mode, noDeclare: dict.no_declare },
  };
  return new Exchange(name, type, said(options));
}

/**
 * Kombu's `Queue.from_dict`, which also reads what `Queue.as_dict(recurse=True)` wrote. Throws `invalid_argument`, also for an option that
 * it does not know, of which Python takes no notice.
 */
export function queueFromDict(name: string, dict: QueueDict = {}): Queue {
  checkValue("a queue's name", name, nameCheck);
  checkDict(`the dict of queue ${JSON.stringify(name)}`, dict, QUEUE_DICT_CHECKS);
  const bindings = (dict.bindings ?? []).map(bindingFromDict);
  const options = {
    ...(bindings.length > 0 ? { bindings } : { exchange: exchangeOf(dict) }),
    routingKey: dict.binding_key ?? dict.routing_key,
    durable: dict.queue_durable ?? dict.durable,
    autoDelete: dict.queue_auto_delete ?? dict.auto_delete,
    exclusive: dict.exclusive,
    ...{ noAck: dict.no_ack, noDeclare: dict.no_declare, alias: dict.alias },
    ...{ expiresMs: milliseconds(dict.expires), messageTtlMs: milliseconds(dict.message_ttl) },
    ...{ maxLength: dict.max_length, maxLengthBytes: dict.max_length_bytes, maxPriority: dict.max_priority },
    ...{ queueArguments: dict.queue_arguments, bindingArguments: dict.binding_arguments },
    consumerArguments: dict.consumer_arguments,
  };
  return new Queue(name, said(options));
}

/** Kombu's `Exchange.as_dict`. */
export function exchangeAsDict(exchange: Exchange): ExchangeDict {
  checkValue("the exchange", exchange, exchangeCheck);
  return {
    ...{ name: exchange.name, type: exchange.type, arguments: exchange.arguments },
    ...{ durable: exchange.durable, passive: exchange.passive, auto_delete: exchange.autoDelete },
    ...{ delivery_mode: exchange.deliveryMode ?? null, no_declare: exchange.noDeclare },
  };
}

/** Kombu's `Queue.as_dict(recurse=True)`. What came of options such as `expiresMs` stands in `queue_arguments`, where brokers have it. */
export function queueAsDict(queue: Queue): QueueDict {
  checkValue("the queue", queue, queueCheck);
  const bindings = queue.bindings.map((binding) => ({
    ...{ exchange: exchangeAsDict(binding.exchange), routing_key: binding.routingKey },
    ...{ arguments: binding.arguments, unbind_arguments: binding.unbindArguments },
  }));
  return {
    name: queue.name,
    exchange: bindings.length > 0 ? null : exchangeAsDict(queue.exchange),
    routing_key: queue.routingKey,
    ...{ queue_arguments: queue.queueArguments, binding_arguments: queue.bindingArguments },
    ...{ consumer_arguments: queue.consumerArguments, durable: queue.durable, exclusive: queue.exclusive },
    ...{ auto_delete: queue.autoDelete, no_ack: queue.noAck, alias: queue.alias ?? null, bindings },
    ...{ no_declare: queue.noDeclare, expires: null, message_ttl: null },
    ...{ max_length: null, max_length_bytes: null, max_priority: null },
  };
}

function bindingFromDict(dict: BindingDict): Binding {
  checkDict("a binding's dict", dict, BINDING_DICT_CHECKS);
  checkValue("the exchange of a binding's dict", dict.exchange, objectCheck);
  const options = {
    ...{ routingKey: dict.routing_key, arguments: dict.arguments, unbindArguments: dict.unbind_arguments },
  };
  return new Binding(exchangeFromDict(dict.exchange), said(options));
}

function exchangeOf(dict: QueueDict): Exchange {
  if (typeof dict.exchange === "object" && dict.exchange !== null) return exchangeFromDict(dict.exchange);
  const exchange = {
    ...{ name: dict.exchange, type: dict.exchange_type, arguments: dict.exchange_arguments },
    durable: dict.exchange_durable ?? dict.durable,
    auto_delete: dict.exchange_auto_delete ?? dict.auto_delete,
    delivery_mode: dict.delivery_mode,
  };
  return exchangeFromDict(said(exchange));
}

function milliseconds(seconds: number | null | undefined): number | undefined {
  return typeof seconds === "number" ? Math.round(seconds * MS_PER_SECOND) : undefined;
}

function checkDict(what: string, dict: object, checks: Readonly<Record<string, Check>>): void {
  checkOptions(what, said(checkValue(what, dict, objectCheck)), checks);
}

/** What is said: neither undefined nor Python's None. */
type Said<T> = { readonly [K in keyof T]?: Exclude<T[K], null | undefined> };

function said<T extends object>(options: T): Said<T> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(given) as Said<T>;
}
