import * as kombu from "@pullqueue/kombu";

/** What `public-api.test.ts` calls everything with: garbage, what is right, and a broker in memory for both. */

/** What a program without types, or one that was written after Python's documentation, may hand over. */
const GARBAGE = {
  nothing: undefined,
  null: null,
  "a number": 42,
  zero: 0,
  "a negative number": -1,
  "a huge number": Number.MAX_VALUE,
  NaN: Number.NaN,
  true: true,
  "a bigint": 1n,
  "a symbol": Symbol("garbage"),
  "a text": "garbage",
  "an empty text": "",
  "an object": { garbage: 1 },
  "an empty object": {},
  "an empty list": [],
  "a list of text": ["garbage"],
  "a function": () => undefined,
} as const;

/** Names of it. */
export type Garbage = keyof typeof GARBAGE;

export const garbage = {
  names: Object.keys(GARBAGE) as Garbage[],
  named: (name: Garbage): unknown => GARBAGE[name],
};

/** One parameter: a value that is right, garbage that is right too, and for options their names. */
export interface Parameter {
  readonly good: () => unknown;
  readonly takes: readonly Garbage[];
  readonly options?: readonly string[];
  /** It may have what nobody knows. */
  readonly extensible?: boolean;
}

/** A function, and what it takes. */
export interface Row {
  readonly call: (...args: never[]) => unknown;
  readonly parameters: readonly Parameter[];
}

const { Connection, Consumer, Exchange, Queue } = kombu;

export const connection = new Connection("memory://public-api");
export const queue = new Queue("public-api");
export const exchange = new Exchange("public-api", "direct");

/** A parameter that takes what it is given here and the garbage that is named. */
export const one = (good: unknown, ...takes: Parameter["takes"]): Parameter => ({ good: () => good, takes });
export const made = (good: () => unknown, ...takes: Parameter["takes"]): Parameter => ({ good, takes });
/** Anything at all. */
export const any = one(1, ...garbage.names);
/** Options of these names, none of which takes a symbol, that may be left out. */
export const options = (...names: readonly string[]): Parameter => ({
  good: () => ({}),
  takes: ["nothing", "an empty object"],
  options: names,
});
/** The same for an object that a program makes to be called: it may have more. */
export const contract = (good: object, ...names: readonly string[]): Parameter => ({
  ...needed(good, ...names),
  extensible: true,
});
/** The same for options that cannot be left out. */
export const needed = (good: object, ...names: readonly string[]): Parameter => ({
  good: () => good,
  takes: [],
  options: names,
});
export const name = one("public-api", "a text", "an empty text");
export const optionalName = one("public-api", "a text", "an empty text", "nothing");
export const key = one("public-api", "a text");
export const call = one(() => undefined, "a function");
export const waiting = options("signal");
export const aQueue = one(queue);
export const queueOrName = one(queue, "a text");
export const exchangeOrName = one(exchange, "a text", "an empty text");
export const count = one(1, "a number", "zero");
export const args = one({}, "an empty object", "an object", "nothing");

const CONSUMER = ["callbacks", "onMessage", "onDecodeError", "noAck", "prefetchCount", "deadLetter"];
export const READING = [...CONSUMER, "accept", "autoDeclare", "tagPrefix", "schema"];
export const RUN = [
  "concurrency",
  "signal",
  "interruptSignal",
  "attemptsMax",
  "backoff",
  "timeoutMs",
  "onError",
];
const RETRY = ["maxRetries", "intervalStartMs", "intervalStepMs", "intervalMaxMs", "intervalFactor"];
export const RETRYING = [...RETRY, "jitter", "timeoutMs", "errback", "retryErrors", "signal"];
const PRODUCER = ["exchange", "routingKey", "serializer", "compression", "envelope", "autoDeclare"];
export const PRODUCING = [...PRODUCER, "onReturn", "schema"];
const PUBLISH = ["exchange", "routingKey", "serializer", "contentType", "headers", "priority", "signal"];
export const PUBLISHING = [
  ...PUBLISH,
  "deliveryMode",
  "expirationMs",
  "mandatory",
  "declare",
  "delayMs",
  "retry",
];
export const POOL = ["limit", "timeoutMs"];
export const ACQUIRE = ["timeoutMs", "signal"];
export const SIMPLE = ["noAck", "serializer", "compression", "envelope", "accept", "queueOptions", "schema"];
export const MAILBOX = ["type", "clock", "accept", "serializer", "queueTtlMs", "queueDurable", "matchers"];
export const RPC = ["timeoutMs", "serializer", "accept", "replySchema", "replyExpiresMs"];
export const DECLARE = ["passive", "signal"];
export const BINDING = ["routingKey", "arguments", "unbindArguments"];
export const QUEUE = ["exchange", "bindings", "durable", "expiresMs", "maxLength", "schema", "onDeclared"];
export const EXCHANGE = ["durable", "autoDelete", "passive", "deliveryMode", "arguments", "noDeclare"];
export const EXTRAS = [
  "serializers",
  "compressions",
  "clock",
  "random",
  "onWarning",
  "tracing",
  "alternates",
];
export const CALL = ["timeoutMs", "limit", "onReply", "signal", "pattern", "matcher"];

export const target = one("memory://public-api");
export const bound = async () => queue.bind(await connection.channel());
export const boundExchange = async () => exchange.bind(await connection.channel());
export const consumer = () => new Consumer(connection.defaultChannel, queue, { callbacks: [() => {}] });
export const mailbox = () => connection.mailbox("public-api");
export const simple = () => connection.simpleQueue("public-api");
export const pool = () => connection.pool({ limit: 1 });
export const received = async () => {
  const own = connection.simpleQueue(kombu.uuid());
  await own.put({ question: 1 }, { replyTo: "public-api-replies" });
  return own.get();
};
export const kind = () => ({
  name: "thing",
  clock: connection.clock,
  create: () => 1,
  close: async () => {},
});
export const schemaless = new kombu.SerializerRegistry();

export class Program extends kombu.ConsumerMixin {
  getConsumers() {
    return [];
  }
}

export const row = (call: Row["call"], ...parameters: readonly Parameter[]): Row => ({ call, parameters });
// biome-ignore lint/suspicious/noExplicitAny: rows hand over what no type allows.
export type Any = any;

export async function requested() {
  const request = { method: "b", arguments: {}, destination: ["b"] };
  const own = connection.simpleQueue(kombu.uuid());
  await own.put(request);
  return own.get();
}
