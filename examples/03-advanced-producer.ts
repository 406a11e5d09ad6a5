// Publishes through an exchange, which finds the queue by the routing key.
import { Connection, Exchange, Queue } from "@pullqueue/kombu";

await using connection = new Connection({
  transport: "appengine",
  transportOptions: { projectName: "my_project" },
});
const appEngine = new Exchange("appengine", "direct", { durable: true });
const pullQueue = new Queue("pull-queue", { exchange: appEngine, routingKey: "pull-queue" });
await pullQueue.bind(await connection.channel()).declare();

const producer = connection.producer({ exchange: appEngine, routingKey: "pull-queue" });
for (const text of ["Hello World!", "Hello again!"]) {
  const { queues } = await producer.publish({ text });
  console.log("published to", queues?.join(", "));
}
