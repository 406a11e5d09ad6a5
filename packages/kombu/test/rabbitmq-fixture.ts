import { Connection, Queue, type QueueOptions } from "@pullqueue/kombu";
import { type RabbitmqInstance, startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { afterAll, afterEach, beforeAll } from "vitest";

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 120_000;

/** What tests of one file share: a RabbitMQ, connections that are closed after each test, and names of their own. */
export function rabbitmqFixture(settings: readonly string[] = []) {
  const open = new Set<Connection>();
  let instance: RabbitmqInstance | undefined;
  let names = 0;
  beforeAll(async () => {
    instance = await startRabbitmqInstance({ settings });
  }, START_MS);
  afterAll(async () => instance?.[Symbol.asyncDispose](), START_MS);
  afterEach(async () => {
    await Promise.all([...open].map((connection) => connection.close()));
    open.clear();
  });
  const running = (): RabbitmqInstance => {
    if (instance === undefined) throw new Error("RabbitMQ runs only while tests do");
    return instance;
  };
  const opened = (url: string): Connection => {
    const connection = new Connection(url);
    open.add(connection);
    return connection;
  };
  const name = () => `q${names++}`;
  return {
    /** The broker. */
    running,
    /** A connection by its URL. */
    opened,
    /** A connection to the broker. */
    connect: (query = "") => opened(`${running().url}${query}`),
    /** A name of the test's own, because the broker is everybody's. */
    name,
    declared: async (connection: Connection, options: QueueOptions = {}): Promise<Queue> => {
      const queue = new Queue(name(), options).bind(await connection.channel());
      await queue.declare();
      return queue;
    },
  };
}

/** The payloads of all messages that are there, acknowledged. */
export async function drain(queue: Queue): Promise<unknown[]> {
  const payloads: unknown[] = [];
  for (let message = await queue.get(); message !== null; message = await queue.get()) {
    payloads.push(message.payload);
    await message.ack();
  }
  return payloads;
}

/** How many messages nobody holds. */
export function count(connection: Connection, queue: Queue): Promise<number> {
  return connection.simpleQueue(queue).qsize();
}
