// Consumes the messages of 03-advanced-producer.ts with a callback, up to 15 in one lease, until none comes for a second.
import { Connection, Exchange, isTimeout, Queue } from "@pullqueue/kombu";

await using connection = new Connection({
  transport: "appengine",
  transportOptions: { projectName: "my_project", numTasks: 15, pollingIntervalMs: 5_000 },
});
const appEngine = new Exchange("appengine", "direct", { durable: true });
const pullQueue = new Queue("pull-queue", { exchange: appEngine, routingKey: "pull-queue" });

const consumer = connection.consumer([pullQueue], {
  callbacks: [
    async (body, message) => {
      console.log("received", body);
      await message.ack();
    },
  ],
});
await consumer.consume();

try {
  for (;;) await connection.drainEvents({ timeoutMs: 1_000 });
} catch (error) {
  if (!isTimeout(error)) throw error;
  console.log("nothing more to do");
}
