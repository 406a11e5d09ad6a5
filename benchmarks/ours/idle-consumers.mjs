// So many consumers that wait, each for a queue of its own. Says `ready` when the last one has begun, and ends at SIGTERM.
import { parseArgs } from "node:util";
import { Connection, Queue } from "@pullqueue/kombu";

/** A connection has so many sockets for leases that wait, and some to spare: with more consumers some would wait for a socket instead. */
const CONSUMERS_OF_A_CONNECTION = 200;

/** Consumers that begin at the same time: a thousand at once would be a storm, which is another question. */
const AT_ONCE = 16;

const { values } = parseArgs({ options: { url: { type: "string" }, consumers: { type: "string" } } });
const count = Number(values.consumers);

const connections = Array.from(
  { length: Math.ceil(count / CONSUMERS_OF_A_CONNECTION) },
  () => new Connection(values.url),
);
const consumers = [];
const running = [];
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < count) {
      const index = next++;
      const connection = connections[index % connections.length];
      const consumer = connection.consumer(new Queue(`idle-${index}`));
      await consumer.consume();
      consumers.push(consumer);
      running.push(consumer.run(() => {}));
    }
  }),
);
process.stdout.write("ready\n");
process.once("SIGTERM", async () => {
  await Promise.all(consumers.map((consumer) => consumer.cancel()));
  await Promise.all(running);
  await Promise.all(connections.map((connection) => connection.close()));
  process.stdout.write("{}\n", () => process.exit(0));
});
