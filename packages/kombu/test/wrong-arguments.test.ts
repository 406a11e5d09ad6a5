import {
  Connection,
  type ConnectionOptions,
  type ConsumerFactory,
  ConsumerMixin,
  Exchange,
  insured,
  Pools,
  ProducerPool,
  Queue,
  type QueueOptions,
  type ResourceKind,
  ResourcePool,
  type RetryOptions,
  sendReply,
  Worker,
  type WorkerOptions,
} from "@pullqueue/kombu";
import { expect, it } from "vitest";

/** What a program without types may hand over. */
const wrong = <T>(value: unknown): T => value as T;
const connection = new Connection("memory://wrong");
const handler = () => {};

class Program extends ConsumerMixin {
  constructor(readonly given: unknown) {
    super(connection);
  }
  getConsumers(_consumer: ConsumerFactory) {
    return wrong<[]>(this.given);
  }
}

it.each<[string, () => unknown, string]>([
  [
    "a name among a worker's queues",
    () => new Worker(connection, wrong<WorkerOptions>({ queues: ["jobs"], handler })),
    "queues must be a Queue or an array of them, got an array of 1",
  ],
  [
    "a worker without a queue",
    () => new Worker(connection, { queues: [], handler }),
    "queues must be a Queue or an array of them, got an array of 0",
  ],
  [
    "getConsumers that gives nothing",
    () => new Program(undefined).run(),
    "what getConsumers gives must be an array of Consumers, got nothing",
  ],
  [
    "getConsumers that gives one consumer",
    () => new Program(connection.consumer(new Queue("q"))).run(),
    "what getConsumers gives must be an array of Consumers, got",
  ],
  ["use() without work", () => connection.pool().use(wrong("work")), "the work of use must be a function"],
  ["ensure() without work", () => connection.ensure(wrong({})), "the work of ensure must be a function"],
  [
    "ensure() with too much chance",
    () => connection.ensure(async () => {}, { jitter: 2 } satisfies RetryOptions),
    "jitter must be a part of each wait, a number from 0 to 1, got 2",
  ],
  [
    "resize() with an unknown option",
    () => connection.pool({ limit: 1 }).resize(2, wrong({ forse: true })),
    "resize has no option forse (did you mean force?)",
  ],
  [
    "a failoverStrategy that gives nothing",
    () => new Connection(["redis://a", "redis://b"], { failoverStrategy: wrong(() => undefined) }),
    "what failoverStrategy gives must be an iterator of the targets",
  ],
  [
    "a URL from a variable that is not set",
    () => new Connection(wrong(undefined)),
    "a connection needs a URL, such as redis://localhost:6379/0, or an object of options, got nothing",
  ],
  [
    "a transport's option among the connection's",
    () => new Connection(wrong<ConnectionOptions>({ transport: "redis", visibility_timeout: 60 })),
    "a connection has no option visibility_timeout: it belongs in transportOptions, or in a URL",
  ],
  [
    "kombu's keyword arguments",
    () => new Connection(wrong<ConnectionOptions>({ transport: "redis", hostname: "localhost" })),
    "a connection has no option hostname: it belongs in a URL, such as redis://user:password@host:port/0",
  ],
  [
    "an exchange in the place of a queue's options",
    () => new Queue("video", wrong<QueueOptions>(new Exchange("media"))),
    'the options of queue "video" must be an object, such as { exchange, routingKey }, and not the exchange itself',
  ],
  [
    "a message for the default exchange without a queue's name",
    () => connection.producer().publish({ id: 1 }),
    "a message for the default exchange needs a routingKey, which is the name of its queue; or name an exchange",
  ],
  [
    "a worker without options",
    () => new Worker(connection, wrong<WorkerOptions>({})),
    "a worker: queues must be a Queue or an array of them, got nothing; a worker: handler must be a function, got nothing",
  ],
  [
    "asUri() in Python's spelling",
    () => connection.asUri(wrong({ include_password: true })),
    "asUri has no option include_password (did you mean includePassword?)",
  ],
  [
    "clone() of nothing",
    () => connection.clone(wrong(null)),
    "the overrides of clone must be an object, got null",
  ],
  [
    "forceCloseAll() in Python's spelling",
    () => connection.pool().forceCloseAll(wrong({ close_pool: false })),
    "forceCloseAll has no option close_pool (did you mean closePool?)",
  ],
  [
    "a producer pool of a connection",
    () => new ProducerPool(wrong(connection)),
    "must be a pool of connections, such as connection.pool(), got an object",
  ],
  [
    "a pool of nothing",
    () => new ResourcePool(wrong<ResourceKind<unknown>>({})),
    "create must be a function, got nothing",
  ],
  [
    "pools by URL",
    () => new Pools().connections(wrong("memory://wrong")),
    'the connection of pools must be a Connection, got "memory://wrong"',
  ],
  [
    "insured() with a connection",
    () => insured(wrong(connection), async () => {}),
    "the pool of insured must be a pool of connections",
  ],
  [
    "sendReply() without a producer",
    async () => {
      const queue = connection.simpleQueue("asks");
      await queue.put("?", { replyTo: "answers" });
      await sendReply(await queue.get(), "!", wrong(undefined));
    },
    "the options of sendReply must be an object, got nothing",
  ],
  [
    "arguments of a command that are none",
    () => connection.mailbox("wrong").abcast("stop", wrong("now")),
    'the arguments of "stop" must be an object, got "now"',
  ],
  [
    "an expression that no language knows",
    () => connection.mailbox("wrong").multiCall("ping", {}, { pattern: "(", matcher: "pcre" }),
    '"(" is no regular expression',
  ],
  [
    "a matcher without a pattern",
    () => connection.mailbox("wrong").multiCall("ping", {}, { matcher: "glob" }),
    "a matcher without a pattern chooses nothing",
  ],
  ["a URL that ends with ;", () => new Connection("redis://a;"), "after the last one nothing follows"],
  ["a host with ;", () => new Connection("redis://a;b"), "a connection URL looks like"],
])("%s is refused by what was expected and what came", async (_name, call, text) => {
  await expect((async () => call())()).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(text),
  });
});

it.each<[string, () => unknown]>([
  ["a worker", () => new Worker(connection, { queues: new Queue("q"), handler, accept: ["jsn"] })],
  ["a consumer", () => connection.consumer(new Queue("q"), { accept: ["jsn"] })],
  ["a simple queue", () => connection.simpleQueue("q", { accept: ["jsn"] })],
  ["an RPC client", () => connection.rpc("q", { accept: ["jsn"] })],
  ["a mailbox", () => connection.mailbox("q", { accept: ["jsn"] })],
])("%s that accepts what nobody can read is refused before its first message", (_name, make) => {
  expect(make).toThrow(
    expect.objectContaining({
      code: "serializer_unknown",
      message: expect.stringContaining("did you mean json?"),
    }),
  );
});

it("multiCall() refuses a matcher that its mailbox does not know, and takes expressions that only Python knows", async () => {
  const mailbox = connection.mailbox("wrong", { type: "fanout" });
  const ask = (pattern: string, matcher: string) =>
    mailbox.multiCall("ping", {}, { pattern, matcher, timeoutMs: 50 });
  await expect(ask("web*", "globb")).rejects.toMatchObject({
    code: "not_supported",
    message: expect.stringContaining("did you mean glob?"),
  });
  await expect(ask("(?P<kind>web).*", "pcre")).resolves.toEqual([]);
});
