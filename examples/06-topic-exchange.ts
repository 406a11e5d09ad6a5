// Publish and subscribe: each queue takes the events whose key fits its pattern. Runs by itself, in memory; any other URL
// of a broker will do, such as redis://127.0.0.1 or amqp://127.0.0.1.
import { Connection, Exchange, Queue } from "@pullqueue/kombu";

await using connection = new Connection(process.env.BROKER_URL ?? "memory://shop");
const events = new Exchange("shop-events", "topic");
const invoices = new Queue("shop-invoices", { exchange: events, routingKey: "order.paid" });
const audit = new Queue("shop-audit", { exchange: events, routingKey: "order.#" }); // * is one word, # any number of them

const producer = connection.producer({ exchange: events });
for (const key of ["order.placed", "order.paid", "customer.created"]) {
  // Bindings are declared before the first message that needs them; declaring twice costs nothing.
  const { queues } = await producer.publish({ at: key }, { routingKey: key, declare: [invoices, audit] });
  if (queues !== undefined) console.log(key, "->", queues.join(", ") || "nobody"); // RabbitMQ does not say
}

for (const queue of [invoices, audit]) {
  await using simple = connection.simpleQueue(queue);
  console.log(queue.name, "has", await simple.qsize());
  await simple.clear();
}
