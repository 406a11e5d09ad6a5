import {
  Connection,
  type ConnectionOptions,
  type ConsumerFactory,
  ConsumerMixin,
  Exchange,
  Queue,
  type QueueOptions,
  type RetryOptions,
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
])("%s is refused by what was expected and what came", async (_name, call, text) => {
  await expect((async () => call())()).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(text),
  });
});
