import {
  Connection,
  type ConsumerFactory,
  ConsumerMixin,
  Queue,
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
])("%s is refused by what was expected and what came", async (_name, call, text) => {
  await expect((async () => call())()).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(text),
  });
});
