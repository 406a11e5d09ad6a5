// Calls that are answered: a client sends a request and waits for its reply, by a correlation id in a queue of its own.
// kombu's and RabbitMQ's layout, so that either side may be Python.
import { Connection, Queue, RpcClient, sendReply, Worker } from "@pullqueue/kombu";
import { z } from "zod";

await using connection = new Connection(process.env.BROKER_URL ?? "memory://office");
const numbers = new Queue("square-numbers", { schema: z.number() });

const worker = new Worker(connection, {
  queues: numbers,
  handler: async (message) => {
    await sendReply(message, message.payload ** 2, { producer: worker.producer });
  },
});
const running = worker.run();

await using client = new RpcClient(await connection.channel(), numbers, {
  replySchema: z.number(),
  timeoutMs: 10_000, // then the call fails, and whoever takes the request later does not handle it
});
const squares = await Promise.all([2, 3, 4].map((number) => client.call(number)));
console.log(squares);

await worker.stop();
await running;
