// So many consumers that wait, each for a queue of its own. Says `ready` when the last one has begun, and ends at SIGTERM.
import { parseArgs } from "node:util";
import { Connection, Queue } from "@pullqueue/kombu";

/** Consumers that begin at the same time: a thousand at once would be a storm, which is another question. */
const AT_ONCE = 16;

const { values } = parseArgs({ options: { url: { type: "string" }, consumers: { type: "string" } } });
const count = Number(values.consumers);

const connection = new Connection(values.url);
const consumers = [];
const running = [];
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < count) {
      const consumer = connection.consumer(new Queue(`idle-${next++}`));
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
  await connection.close();
  process.stdout.write("{}\n", () => process.exit(0));
});
